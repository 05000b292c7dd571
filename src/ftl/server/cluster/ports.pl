# Tries the ports of Swarm mode between servers, before there is a Swarm. Arguments: our number, our address, seconds,
# and NUMBER=ADDRESS of each other server. Prints "ready" once it listens, then waits for a line on stdin, so that all
# servers listen before one sends. Then it prints what passed:
#     from NUMBER PROTOCOL/PORT    a packet, or a connection, of that server reached us
#     busy PROTOCOL/PORT           something else has the port here, so nothing is known about it
# It ends as soon as everything has passed, and at the latest after the given seconds.
# Only modules of perl-base.
use strict;
use warnings;
use IO::Select;
use Socket qw(:DEFAULT inet_pton getaddrinfo AI_NUMERICHOST SOCK_STREAM SOCK_DGRAM SOL_SOCKET SO_REUSEADDR);
use IO::Handle;
use Fcntl qw(F_GETFL F_SETFL O_NONBLOCK);

my ($me, $address, $seconds, @others) = @ARGV;
my @ports = (['tcp', 2377], ['tcp', 7946], ['udp', 7946], ['udp', 4789]);
my (%listen, %sender, %heard, %sent);
my $select = IO::Select->new;
STDOUT->autoflush(1);
$SIG{PIPE} = 'IGNORE';

sub resolved {
    my ($host, $port, $type) = @_;
    my ($error, $found) = getaddrinfo($host, $port, { flags => AI_NUMERICHOST, socktype => $type });
    die "$host: $error\n" if $error;
    return $found;
}

sub open_socket {
    my ($host, $port, $protocol) = @_;
    my $type = $protocol eq 'tcp' ? SOCK_STREAM : SOCK_DGRAM;
    my $to = resolved($host, $port, $type);
    socket(my $socket, $to->{family}, $type, 0) or die "socket: $!\n";
    fcntl($socket, F_SETFL, fcntl($socket, F_GETFL, 0) | O_NONBLOCK);
    return ($socket, $to->{addr});
}

for my $port (@ports) {
    my ($protocol, $number) = @$port;
    my ($socket, $here) = open_socket($address, $number, $protocol);
    setsockopt($socket, SOL_SOCKET, SO_REUSEADDR, 1) if $protocol eq 'tcp';
    if (bind($socket, $here) and ($protocol eq 'udp' or listen($socket, 32))) {
        $listen{$socket} = [$socket, "$protocol/$number"];
        $select->add($socket);
    } else {
        print "busy $protocol/$number\n";
    }
}
print "ready\n";
scalar <STDIN>;

my $until = time + $seconds;
my $complete = @others * keys %listen;
while (time < $until) {
    for my $other (@others) {
        my ($number, $host) = split /=/, $other, 2;
        for my $port (@ports) {
            my ($protocol, $at) = @$port;
            my $key = "$number $protocol/$at";
            if ($protocol eq 'udp') {
                my ($socket, $to) = open_socket($host, $at, 'udp');
                send($socket, "ftl $me\n", 0, $to);
            } elsif (!$sent{$key}) {
                $sender{$key} = [open_socket($host, $at, 'tcp')] unless $sender{$key};
                my ($socket, $to) = @{ $sender{$key} };
                connect($socket, $to);
                # Not before the connection is there does a write succeed.
                if (defined syswrite($socket, "ftl $me\n")) {
                    $sent{$key} = 1;
                } elsif ($!{ECONNREFUSED} or $!{EHOSTUNREACH}) {
                    delete $sender{$key};
                }
            }
        }
    }
    my $second = time; # perl-base, which every Debian has, knows no finer clock
    while (time == $second and my @ready = $select->can_read(0.25)) {
        for my $ready (@ready) {
            if (my $known = $listen{$ready}) {
                my ($socket, $name) = @$known;
                if ($name =~ /^tcp/) {
                    accept(my $connection, $socket) or next;
                    fcntl($connection, F_SETFL, fcntl($connection, F_GETFL, 0) | O_NONBLOCK);
                    $listen{$connection} = [$connection, "connection $name"];
                    $select->add($connection);
                    next;
                }
                my $got = '';
                if ($name =~ /^connection (.*)/) {
                    my $read = sysread($socket, $got, 64);
                    next unless defined $read;
                    $select->remove($socket);
                    $name = $1;
                } else {
                    recv($socket, $got, 64, 0);
                }
                if ($got =~ /^ftl (\d+)\n/ and !$heard{"$1 $name"}++) { print "from $1 $name\n" }
            }
        }
    }
    # The others need our UDP for as long as they have not heard it: one more second of it, then all have.
    if (keys %heard == $complete and keys %sent == 2 * @others) {
        my $end = time + 2;
        $until = $end if $end < $until;
    }
}
