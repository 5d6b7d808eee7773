# Decode speed of each case over the runs of a results folder.
#
#   gnuplot -c plots/history.gp plots/data/history.tsv plots/history [SUBTITLE]
about = ARGC >= 3 ? ARG3 : ''
slash = strlen(ARG0)
while (slash > 0 && ARG0[slash : slash] ne '/') { slash = slash - 1 }
load ARG0[1 : slash].'style.gp'

stats ARG1 index 0 using 1 nooutput
runs = int(STATS_records)
stats ARG1 index 1 using 1 nooutput
cases = int(STATS_records)
array names[cases]
stats ARG1 index 1 using (names[int($1)] = trim(strcol(2)), 1) nooutput
stats ARG1 index 2 using 4 nooutput
low = STATS_min
stats ARG1 index 2 using 5 nooutput
high = STATS_max
wide = high > 6 * low

width = 1000
height = 560
set title "median decode speed of the runs of this model\n".about noenhanced
set ylabel wide ? 'tokens/s, logarithmic' : 'tokens/s'
if (wide) { set logscale y }
set format y '%g'
set yrange [wide ? low / 1.2 : low - 0.08 * (high - low) - 0.01 * high : wide ? high * 1.2 : high + 0.08 * (high - low) + 0.01 * high]
set xrange [0.5 : runs + 0.5]
set xtics rotate by 55 right font ',9'
set grid
set key outside right top vertical Left reverse samplen 2
# At most some thirty dates can be read beside each other.
every = (runs + 29) / 30

do for [format in 'svg png'] {
  @svg name 'history'
  if (format eq 'png') { @png }
  set output ARG2.'.'.format
  plot \
    for [i = 1 : cases] ARG1 index 2 using ($1 == i ? $2 + 0.3 * (i - (cases + 1) / 2.0) / cases : NaN):3:4:5 \
      with yerrorlines pointtype 7 pointsize 0.6 linewidth 1.3 dashtype dash(i) linecolor rgb line(i) \
      title names[i], \
    ARG1 index 0 using (int($0) % every == 0 ? $1 : NaN):(low):xtic(trim(strcol(2))) with points pointtype -1 notitle
}
set output
