# Distribution of the time between tokens, a curve for each case.
#
#   gnuplot -c plots/itl.gp plots/data/itl.tsv plots/itl [SUBTITLE]
about = ARGC >= 3 ? ARG3 : ''
slash = strlen(ARG0)
while (slash > 0 && ARG0[slash : slash] ne '/') { slash = slash - 1 }
load ARG0[1 : slash].'style.gp'

stats ARG1 using 1 nooutput
cases = int(STATS_max)
array names[cases]
array hue[cases]
low = 1e300; high = 0
do for [i = 1 : cases] {
  stats ARG1 index 2 * i - 2 using (names[i] = trim(strcol(2)).sprintf('  (p50 %s, p99 %s ms)', \
    number($5), number($6)), low = $4 < low ? $4 : low, high = $7 > high ? $7 : high, \
    hue[i] = $8, 1) nooutput
}
wide = high > 4 * low
width = 1000
height = 430 > 100 + 22 * cases ? 430 : 100 + 22 * cases
set title "time between consecutive tokens\n".about noenhanced
set xlabel wide ? 'ms, logarithmic' : 'ms'
set ylabel '% of tokens that took no longer'
if (wide) { set logscale x }
set format x '%g'
if (wide && high / low < 100) {
  set xtics (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000, 2000, 5000)
}
set xrange [wide ? low / 1.05 : low - 0.02 * (high - low) - 1e-3 * low : wide ? high * 1.05 : high + 0.02 * (high - low) + 1e-3 * low]
set yrange [0 : 101]
set ytics (0, 10, 25, 50, 75, 90, 99)
set key outside right top vertical Left reverse samplen 2 width -2
set grid

do for [format in 'svg png'] {
  @svg name 'itl'
  if (format eq 'png') { @png }
  set output ARG2.'.'.format
  plot for [i = 1 : cases] ARG1 index 2 * i - 1 using 2:(100 * $3) with lines linewidth 1.6 \
    dashtype dash(hue[i]) linecolor rgb line(hue[i]) title names[i]
}
set output
