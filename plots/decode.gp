# Decode speed of each case: density, quartiles, median with its interval, and every iteration.
#
#   gnuplot -c plots/decode.gp plots/data/decode.tsv plots/decode [SUBTITLE]
about = ARGC >= 3 ? ARG3 : ''
slash = strlen(ARG0)
while (slash > 0 && ARG0[slash : slash] ne '/') { slash = slash - 1 }
load ARG0[1 : slash].'style.gp'

stats ARG1 index 0 using 1 nooutput
cases = int(STATS_records)
stats ARG1 index 2 using 2 nooutput
low = STATS_min; high = STATS_max
do for [i = 3 : cases + 1] {
  stats ARG1 index i using 2 nooutput
  low = STATS_min < low ? STATS_min : low
  high = STATS_max > high ? STATS_max : high
}
# A few percent at least: what differs by less is the same to whoever reads.
middle = (low + high) / 2
if (high - low < 0.06 * middle) { low = 0.97 * middle; high = 1.03 * middle }
wide = high > 6 * low

height = 110 + 64 * cases
set title "decode speed of each case, one dot an iteration\n".about noenhanced
set xlabel wide ? 'tokens/s, logarithmic' : 'tokens/s'
if (wide) { set logscale x }
set xrange [wide ? low / 1.1 : low - 0.03 * (high - low) : wide ? high * 1.1 : high + 0.03 * (high - low)]
set yrange [-cases - 0.55 : -0.45]
set border 1
set ytics scale 0
set grid xtics noytics
set lmargin at screen 0.22
set rmargin at screen 0.79
set key off
set label 1 'median  [95 % interval]' at graph 1.02, graph 1 left textcolor rgb muted offset 0, 0.6
array hue[cases]
stats ARG1 index 0 using (hue[int($1)] = line(column(13)), 1) nooutput
jitter(k) = 0.055 * ((int(k) * 7) % 5 - 2)

do for [format in 'svg png'] {
  @svg name 'decode'
  if (format eq 'png') { @png }
  set output ARG2.'.'.format
  plot \
    for [i = 1 : cases] ARG1 index i + 1 using 2:(-$1 - 0.4 * $3):(-$1 + 0.4 * $3) \
      with filledcurves fillstyle solid 0.28 noborder linecolor rgb hue[i], \
    for [i = 1 : cases] ARG1 index i + 1 using 2:(-$1 - 0.4 * $3) with lines linewidth 0.8 linecolor rgb hue[i], \
    for [i = 1 : cases] ARG1 index i + 1 using 2:(-$1 + 0.4 * $3) with lines linewidth 0.8 linecolor rgb hue[i], \
    ARG1 index 0 using 4:(-$1):7:8:(-$1 - 0.17):(-$1 + 0.17) with boxxyerror \
      fillstyle solid 0.5 border linecolor rgb ink fillcolor rgb paper, \
    ARG1 index 1 using 2:(-$1 + jitter($0)):($3 > 0 ? 0xd1242f : 0x59636e) \
      with points pointtype 7 pointsize 0.38 linecolor rgb variable, \
    ARG1 index 0 using 4:(-$1):5:6 with xerrorbars pointtype -1 linewidth 2.2 linecolor rgb ink, \
    ARG1 index 0 using 4:(-$1 - 0.17):(0):(0.34) with vectors nohead linewidth 2.2 linecolor rgb ink, \
    ARG1 index 0 using (high):(-$1):(trim(strcol(12))) with labels left offset 2.5, 0 textcolor rgb ink, \
    ARG1 index 0 using (high):(-$1):ytic(trim(strcol(2))) with points pointtype -1
}
set output
