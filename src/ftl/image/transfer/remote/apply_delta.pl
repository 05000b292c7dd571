# Makes a layer's tar of frames of instructions (delta/instructions.py) and of the base layer's tar.
#
# Each frame on stdin is a line with its number of bytes and the ranges of the base layer that are its prefix, as pairs
# of offset and length; then the frame. A line with 0 is the end, and nothing after it is read. Argument: a folder with
# the base layer's tar, `base`, in which a file for zstd to read, `range`, is made.
use strict;
use integer;
binmode STDIN;
binmode STDOUT;
my $work = $ARGV[0];
my $made = "";
open(my $base, "<:raw", "$work/base") or exit 1;

sub take {
  my ($from, $count) = @_;
  my $taken = "";
  while (length($taken) < $count) {
    sysread($from, $taken, $count - length($taken), length($taken)) or exit 1;
  }
  return $taken;
}

sub line {
  my ($line, $next) = ("", "");
  $line .= $next while ($next = take(*STDIN, 1)) ne "\n";
  return $line;
}

sub base {
  my ($offset, $length) = @_;
  sysseek($base, $offset, 0) or exit 1;
  return take($base, $length);
}

# Decompresses a frame with a prefix. The frame goes through a pipe: the disk may be nearly full.
sub unpacked {
  my ($frame, @prefix) = @_;
  my @options = ();
  if (@prefix) {
    open(my $file, ">:raw", "$work/range") or exit 1;
    print $file @prefix or exit 1;
    close($file) or exit 1;
    @options = ("-D", "$work/range");
  }
  my $writer = open(my $from, "-|");
  defined $writer or exit 1;
  if (!$writer) {
    open(my $to, "|-", "zstd", "-dqc", @options) or exit 1;
    binmode $to;
    print $to $frame or exit 1;
    close($to) or exit 1;
    exit 0;
  }
  binmode $from;
  my $content = do { local $/; <$from> };
  close($from) or exit 1;
  return $content;
}

sub flush_made {
  for (my $at = 0; $at < length($made);) {
    my $count = syswrite(STDOUT, $made, length($made) - $at, $at);
    defined $count or exit 1;
    $at += $count;
  }
  $made = "";
}

while (1) {
  my ($count, @ranges) = split(/ /, line());
  last if $count == 0;
  my $frame = take(*STDIN, $count);
  my @prefix = ();
  while (my ($offset, $length) = splice(@ranges, 0, 2)) { push(@prefix, base($offset, $length)) }
  my $instructions = unpacked($frame, @prefix);
  my ($at, $offset) = (0, 0);
  while ($at < length($instructions)) {
    my $kind = substr($instructions, $at, 1);
    if ($kind eq "L") {
      my $length = unpack("L<", substr($instructions, $at + 1, 4));
      $made .= substr($instructions, $at + 5, $length);
      $at += 5 + $length;
    } elsif ($kind eq "C") {
      my ($distance, $length) = unpack("q< L<", substr($instructions, $at + 1, 12));
      $offset += $distance;
      $at += 13;
      while ($length > 0) {
        my $count = $length < 262144 ? $length : 262144;
        $made .= base($offset, $count);
        $offset += $count;
        $length -= $count;
        flush_made() if length($made) >= 262144;
      }
    } elsif ($kind eq "H") {
      my ($distance, $time) = unpack("q< a12", substr($instructions, $at + 1, 20));
      $offset += $distance;
      $at += 21;
      my $header = base($offset, 512);
      $offset += 512;
      substr($header, 136, 20) = $time . " " x 8;
      substr($header, 148, 8) = sprintf("%06o\0 ", unpack("%32C*", $header));
      $made .= $header;
    } else {
      exit 1;
    }
    flush_made() if length($made) >= 262144;
  }
  flush_made();
}
