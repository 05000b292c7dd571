# Passes stdin on to those who connect. Follows relay.pl. Argument: the address to listen at; empty: the container's own.
#
# The first line of stdin is a token. Prints "ftl-relay at ADDRESS PORT", then "ftl-relay joined NUMBER" for each that
# connects and says "TOKEN NUMBER". A second line ends that; what follows goes to all who have joined.
#
# Memory is bounded: a chunk is read when all have taken the one before. Who takes nothing for half a minute is left out, and
# a server that is gone sooner: not even its kernel answers.
use constant { WAITING => 64, SILENT => 10, UNANSWERED => 2, LOOK => 2, TCP_INFO => 11 };

my ($address) = @ARGV;

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

# Of a connection: retransmits and probes of our kernel that the other has not answered, and the seconds since it has
# acknowledged anything (tcpi_retransmits, tcpi_probes, and tcpi_last_ack_recv in milliseconds).
sub unanswered {
  my $info = getsockopt($_[0], getprotobyname('tcp') || 6, TCP_INFO) // '';
  return (0, 0) if length $info < 60;
  my ($retransmits, $probes, $silence) = unpack('x2 C C x52 L', $info);
  return ($retransmits + $probes, $silence / 1000);
}

# Whether a receiver's kernel is gone: it is silent, and has left several retransmits or probes without an answer since its
# last word. Silence alone says nothing: where a program takes nothing, our kernel probes more and more rarely (0.2, 0.4 ...
# 12.8 s), and the other only answers probes.
my %last;
sub gone {
  my ($handle) = @_;
  my ($count, $silence) = unanswered($handle);
  my $word = time - $silence;
  my $last = $last{$handle};
  if (!$last or $count < $last->{count} or $word - $last->{word} > 1.5) {
    $last = $last{$handle} = { word => $word, count => $count };
  }
  return ($silence >= SILENT and $count - $last->{count} >= UNANSWERED);
}

# Writes a chunk to all; those who have taken it.
sub pass {
  my ($chunk, @to) = @_;
  my (%at, %gone);
  my $began = time;
  while (my @open = grep { !$gone{$_} and ($at{$_} // 0) < length $chunk } @to) {
    my @ready = ready(1, LOOK, @open);
    if (@ready) { $began = time }
    else { for (@open) { $gone{$_} = 1 if time - $began >= STALL or gone($_) } }
    for my $handle (@ready) {
      my $count = syswrite($handle, $chunk, length($chunk) - ($at{$handle} // 0), $at{$handle} // 0);
      if (defined $count) { $at{$handle} += $count } elsif (!$!{EAGAIN}) { $gone{$handle} = 1 }
    }
  }
  for my $handle (@to) { close $handle if $gone{$handle} }
  return grep { !$gone{$_} } @to;
}

my @to = joined();
while (@to and sysread(STDIN, my $chunk, CHUNK)) { @to = pass($chunk, @to) }
# The network may go with this container: not before they have taken what is in its buffers.
shutdown($_, 1) for @to;
for my $handle (@to) {
  my $until = time + STALL;
  until (ready(0, LOOK, $handle)) { last if time >= $until or gone($handle) }
}
exit 0;
