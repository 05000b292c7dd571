# Tries a network between containers on several servers, with real packets. Runs in a container on each server.
#     serve SECONDS             sends each datagram back, and ends by itself if nobody ends it
#     try SECONDS NAME...       prints "passes NAME" for each other container that answers a small and a full datagram,
#                               "small NAME" where only the small one comes back, "name NAME" where its name has no
#                               address, and "silent NAME" where nothing comes back
# Only modules of perl-base.
use strict;
use warnings;
use Socket;

my ($mode, $seconds, @names) = @ARGV;
socket(my $socket, PF_INET, SOCK_DGRAM, getprotobyname('udp') || 17) or die "socket: $!\n";
if ($mode eq 'serve') {
    $SIG{ALRM} = sub { exit };    # by default, the first process of a container is deaf to it
    alarm $seconds;
    bind($socket, sockaddr_in(7000, INADDR_ANY)) or die "bind: $!\n";
    while (1) {
        my $from = recv($socket, my $datagram, 65535, 0);
        send($socket, $datagram, 0, $from) if defined $from;
    }
}

# The full datagram fills a packet of the network's interface: 20 bytes of IPv4 and 8 of UDP come on top. It must not be
# split on its way: IP_MTU_DISCOVER (10) = IP_PMTUDISC_DO (2).
setsockopt($socket, 0, 10, pack('i', 2));
my $mtu = 1500;
for my $file (glob '/sys/class/net/eth*/mtu') {
    open my $handle, '<', $file or next;
    my $here = <$handle>;
    $mtu = $here if $here < $mtu;
}
my %open = map { $_ => 1 } @names;
my (%address, %small);
my $until = time + $seconds;
while (%open and time < $until) {
    for my $name (sort keys %open) {
        $address{$name} ||= gethostbyname($name) or next;
        my $to = sockaddr_in(7000, $address{$name});
        send($socket, "small $name ", 0, $to);
        my $full = "full $name ";
        send($socket, $full . ('.' x ($mtu - 28 - length $full)), 0, $to);
    }
    my $second = time;
    while (time == $second) {
        my $bits = '';
        vec($bits, fileno($socket), 1) = 1;
        last unless select($bits, undef, undef, 0.3);
        recv($socket, my $datagram, 65535, 0);
        if ($datagram =~ /^small (\S+) /) { $small{$1} = 1 }
        if ($datagram =~ /^full (\S+) / and delete $open{$1}) { print "passes $1\n" }
    }
}
print $address{$_} ? $small{$_} ? "small" : "silent" : "name", " $_ $mtu\n" for sort keys %open;
