"""Perl that runs on a server, where a shell's tools cannot: every Debian and Ubuntu has it (perl-base is essential).

The programs are arguments of a shell's in single quotes, so they have none of their own.
"""

TELL = r"""
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
  my $rest = (512 - $size % 512) % 512;
  if (substr($header, 156, 1) =~ /[xLK]/) {
    exit 1 if $size > 1048576;
    print take($size + $rest);
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
  take($rest) if $rest;
}
print "ftl-end";
"""
"""Tells what the tar on stdin is like; see `DESCRIBE`."""

APPLY = r"""
use strict;
use integer;
binmode STDIN;
binmode STDOUT;
my $work = $ARGV[0];
my $made = "";
open(my $old, "<:raw", "$work/old") or exit 1;

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

sub old {
  my ($place, $length) = @_;
  sysseek($old, $place, 0) or exit 1;
  return take($old, $length);
}

# What zstd makes of a frame with these bytes before it. The frame goes through a pipe: the disk may be nearly full.
sub unpacked {
  my ($frame, @before) = @_;
  my @prefix = ();
  if (@before) {
    open(my $file, ">:raw", "$work/range") or exit 1;
    print $file @before or exit 1;
    close($file) or exit 1;
    @prefix = ("-D", "$work/range");
  }
  my $writer = open(my $from, "-|");
  defined $writer or exit 1;
  if (!$writer) {
    open(my $to, "|-", "zstd", "-dqc", @prefix) or exit 1;
    binmode $to;
    print $to $frame or exit 1;
    close($to) or exit 1;
    exit 0;
  }
  binmode $from;
  my $told = do { local $/; <$from> };
  close($from) or exit 1;
  return $told;
}

sub pass {
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
  my @before = ();
  while (my ($place, $length) = splice(@ranges, 0, 2)) { push(@before, old($place, $length)) }
  my $told = unpacked($frame, @before);
  my ($at, $place) = (0, 0);
  while ($at < length($told)) {
    my $kind = substr($told, $at, 1);
    if ($kind eq "L") {
      my $length = unpack("L<", substr($told, $at + 1, 4));
      $made .= substr($told, $at + 5, $length);
      $at += 5 + $length;
    } elsif ($kind eq "C") {
      my ($distance, $length) = unpack("q< L<", substr($told, $at + 1, 12));
      $place += $distance;
      $at += 13;
      while ($length > 0) {
        my $count = $length < 262144 ? $length : 262144;
        $made .= old($place, $count);
        $place += $count;
        $length -= $count;
        pass() if length($made) >= 262144;
      }
    } elsif ($kind eq "H") {
      my ($distance, $time) = unpack("q< a12", substr($told, $at + 1, 20));
      $place += $distance;
      $at += 21;
      my $header = old($place, 512);
      $place += 512;
      substr($header, 136, 20) = $time . " " x 8;
      substr($header, 148, 8) = sprintf("%06o\0 ", unpack("%32C*", $header));
      $made .= $header;
    } else {
      exit 1;
    }
    pass() if length($made) >= 262144;
  }
  pass();
}
"""
"""Makes a layer of frames of instructions (differences/instructions.py) and of the old layer's tar.

On stdin, which is read no further than the end, each frame is a line with its number of bytes and the ranges of the old
layer that come before it, as pairs of place and length; then the frame. A line with 0 is the end. Argument: a folder
with the old layer's tar, `old`, which takes a file that zstd reads, `range`.
"""
