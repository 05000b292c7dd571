# Passes a stream from one server on to others, in the network that their containers share. Runs in a container.
# Arguments: "send" and the address to listen at (empty: the container's own), or "take".
#
# send: the first line of stdin is a token. Prints "ftl-relay at ADDRESS PORT", then "ftl-relay joined NUMBER" for each
#       that connects and says "TOKEN NUMBER". A second line ends that; what follows goes to all who have joined.
# take: a line "TOKEN NUMBER ADDRESS PORT" on stdin says where to connect. Lines after it say what comes from there: a
#       number of bytes and their SHA-256; "0" is the end. What has the digest is printed; anything else ends it, as the
#       end of stdin does. The network may be anybody's, stdin is not.
#
# Memory is bounded: a chunk is read when all have taken the one before. Who takes nothing for half a minute is left out.
# Only modules of perl-base.
use strict;
use warnings;
use Socket;
use IPC::Open2;
use Fcntl qw(F_GETFL F_SETFL O_NONBLOCK);
use constant { CHUNK => 256 << 10, STALL => 30, REACH => 8, WAITING => 64, LARGEST => 1 << 20 };

my ($mode, $address) = @ARGV;
binmode STDIN;
binmode STDOUT;
$SIG{PIPE} = 'IGNORE';

sub line {
  my $line = '';
  while (sysread(STDIN, my $byte, 1)) {
    return $line if $byte eq "\n";
    $line .= $byte;
  }
  exit 1;
}

sub say_to {
  my ($to, $text) = @_;
  while (length $text) {
    my $count = syswrite($to, $text);
    exit 1 unless defined $count;
    substr($text, 0, $count, '');
  }
}

sub unblock {
  my ($handle) = @_;
  fcntl($handle, F_SETFL, fcntl($handle, F_GETFL, 0) | O_NONBLOCK);
}

# Those of the handles that can be read (or written) within some seconds.
sub ready {
  my ($writing, $seconds, @handles) = @_;
  my $bits = '';
  vec($bits, fileno($_), 1) = 1 for @handles;
  my $count = $writing ? select(undef, $bits, undef, $seconds) : select($bits, undef, undef, $seconds);
  return $count > 0 ? grep { vec($bits, fileno($_), 1) } @handles : ();
}

sub tcp {
  socket(my $socket, PF_INET, SOCK_STREAM, getprotobyname('tcp') || 6) or die "socket: $!\n";
  return $socket;
}

sub own_address {
  open(my $file, '<', '/proc/sys/kernel/hostname') or die "hostname: $!\n";
  chomp(my $name = <$file>);
  my $found = gethostbyname($name) or die "this container does not know its address\n";
  return inet_ntoa($found);
}

# Connections that have said the token, once the second line has come.
sub joined {
  my $token = line();
  my $listener = tcp();
  $address = own_address() unless length $address;
  bind($listener, sockaddr_in(0, inet_aton($address))) or die "bind to $address: $!\n";
  listen($listener, 64) or die "listen: $!\n";
  my ($port) = sockaddr_in(getsockname($listener));
  say_to(*STDOUT, "ftl-relay at $address $port\n");
  my (%said, @waiting, @joined);
  while (1) {
    for my $handle (ready(0, undef, *STDIN, $listener, @waiting)) {
      if ($handle eq *STDIN) {
        line();
        close $_ for @waiting;
        return @joined;
      }
      if ($handle eq $listener) {
        accept(my $connection, $listener) or next;
        unblock($connection);
        if (@waiting < WAITING) { push @waiting, $connection } else { close $connection }
        next;
      }
      my $count = sysread($handle, $said{$handle}, 100, length($said{$handle} // ''));
      if ($count and length $said{$handle} < 100 and $said{$handle} !~ /\n/) { next }
      @waiting = grep { $_ ne $handle } @waiting;
      if ($count and $said{$handle} =~ /^(\S+) (\d+)\n\z/ and $1 eq $token) {
        push @joined, $handle;
        say_to(*STDOUT, "ftl-relay joined $2\n");
      } else {
        close $handle;
      }
    }
  }
}

# Writes a chunk to all; those who have taken it.
sub pass {
  my ($chunk, @to) = @_;
  my (%at, %gone);
  my $open = @to;
  while (my @open = grep { !$gone{$_} and ($at{$_} // 0) < length $chunk } @to) {
    my @ready = ready(1, STALL, @open);
    unless (@ready) { $gone{$_} = 1 for @open; last }
    for my $handle (@ready) {
      my $count = syswrite($handle, $chunk, length($chunk) - ($at{$handle} // 0), $at{$handle} // 0);
      if (defined $count) { $at{$handle} += $count } elsif (!$!{EAGAIN}) { $gone{$handle} = 1 }
    }
  }
  for my $handle (@to) { close $handle if $gone{$handle} }
  return grep { !$gone{$_} } @to;
}

if ($mode eq 'send') {
  my @to = joined();
  while (@to and sysread(STDIN, my $chunk, CHUNK)) { @to = pass($chunk, @to) }
  # The network may go with this container: not before they have taken what is in its buffers.
  shutdown($_, 1) for @to;
  for my $handle (@to) { sysread($handle, my $end, 1) if ready(0, STALL, $handle) }
  exit 0;
}

my ($token, $number, $host, $port) = split / /, line();
my $to = sockaddr_in($port, inet_aton($host));
my ($socket, $until) = (undef, time + REACH);
until ($socket) {
  my $try = tcp();
  unblock($try);
  connect($try, $to) or ready(1, 2, $try);
  if (getpeername($try)) { $socket = $try; last }
  die "$host:$port does not answer in the network of the servers\n" if time >= $until;
  select(undef, undef, undef, 0.1);
}
say_to($socket, "$token $number\n");

sub digest {
  my $pid = open2(my $from, my $to, 'sha256sum');
  binmode $to;
  say_to($to, $_[0]);
  close $to;
  my $line = <$from> // '';
  waitpid($pid, 0);
  return substr($line, 0, 64);
}

my ($came, $told, $over) = ('', '', '');
while (1) {
  for my $handle (ready(0, undef, *STDIN, $over || length $came >= LARGEST ? () : $socket)) {
    my $text = $handle eq *STDIN ? \$told : \$came;
    my $count = sysread($handle, $$text, CHUNK, length $$text);
    next if !defined $count and $!{EAGAIN};
    next if $count;
    exit 1 if $handle eq *STDIN;
    $over = 1;
  }
  while ($told =~ /^([^\n]*)\n/) {
    my ($count, $digest) = $1 =~ /^(\d{1,7})(?: ([0-9a-f]{64}))?\z/ or exit 1;
    exit 0 if $count == 0;
    die "a part of the stream is too long\n" if $count > LARGEST;
    if (length $came < $count) {
      die "the stream from $host ended early\n" if $over;
      last;
    }
    my $part = substr($came, 0, $count, '');
    die "what came from $host is not what was sent there\n" if digest($part) ne $digest;
    say_to(*STDOUT, $part);
    $told =~ s/^[^\n]*\n//;
  }
}
