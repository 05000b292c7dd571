# Prints the index of the tar on stdin, without the contents of its files: up to the end mark every header, and of each
# file's content the first 16 bytes and a sum of the rest; then "ftl-end". The sum is that of the 8-byte words (little
# endian, the last one filled up with zeros), modulo 2^64, written little endian. What `MemberScanner` takes for a name
# or for the end of the tar counts as one here, too.
use strict;
use integer;
binmode STDIN;
binmode STDOUT;
sub take {
  my ($count) = @_;
  my $taken = "";
  while (length($taken) < $count) {
    read(STDIN, $taken, $count - length($taken), length($taken)) or exit 1;
  }
  return $taken;
}
while (1) {
  my $header = take(512);
  last if $header !~ /[^\0]/;
  print $header;
  my $field = substr($header, 124, 12);
  my $size = ord($field) & 128 ? unpack("Q>", substr($field, 4)) : oct(($field =~ /([0-7]+)/)[0] || 0);
  next if $size == 0;
  my $padding = (512 - $size % 512) % 512;
  if (substr($header, 156, 1) =~ /[xLK]/) {
    exit 1 if $size > 1048576;
    print take($size + $padding);
    next;
  }
  my $head = $size < 16 ? $size : 16;
  print take($head);
  $size -= $head;
  my $sum = 0;
  while ($size > 0) {
    my $count = $size < 1048576 ? $size : 1048576;
    $sum += unpack("%64Q<*", take($count) . "\0" x ((8 - $count % 8) % 8));
    $size -= $count;
  }
  print pack("q<", $sum);
  take($padding) if $padding;
}
print "ftl-end";
