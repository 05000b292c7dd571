# Prints what comes from a server that passes it on. Follows relay.pl.
#
# A line "TOKEN NUMBER ADDRESS PORT" on stdin says where to connect. Lines after it say what comes from there: a number of
# bytes and their SHA-256; "0" is the end. What has the digest is printed; anything else ends it, as the end of stdin does.
# The network may be anybody's, stdin is not.
use IPC::Open2;
use constant { REACH => 8, LARGEST => 1 << 20 };

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

my ($came, $orders, $over) = ('', '', '');
while (1) {
  for my $handle (ready(0, undef, *STDIN, $over || length $came >= LARGEST ? () : $socket)) {
    my $text = $handle eq *STDIN ? \$orders : \$came;
    my $count = sysread($handle, $$text, CHUNK, length $$text);
    next if !defined $count and $!{EAGAIN};
    next if $count;
    exit 1 if $handle eq *STDIN;
    $over = 1;
  }
  while ($orders =~ /^([^\n]*)\n/) {
    my ($count, $digest) = $1 =~ /^(\d{1,7})(?: ([0-9a-f]{64}))?\z/ or exit 1;
    exit 0 if $count == 0;
    die "a part of the stream is too long\n" if $count > LARGEST;
    if (length $came < $count) {
      die "the stream from $host ended early\n" if $over;
      last;
    }
    my $part = substr($came, 0, $count, '');
    die "the data from $host differs from what was sent there\n" if digest($part) ne $digest;
    say_to(*STDOUT, $part);
    $orders =~ s/^[^\n]*\n//;
  }
}
