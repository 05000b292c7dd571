# Beginning of relay_send.pl and relay_take.pl, which pass a stream from one server on to others, in the network that their
# containers share. They run in a container. Only modules of perl-base.
use strict;
use warnings;
use Socket;
use Fcntl qw(F_GETFL F_SETFL O_NONBLOCK);
use constant { CHUNK => 256 << 10, STALL => 30 };

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
