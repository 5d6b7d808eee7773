# Memory that blocks of keys and values hold while sequences come and go, with and without moving
# them together.
#
#   dyno memory fragmentation --output fragmentation.csv
#   gnuplot -c plots/fragmentation.gp fragmentation.csv fragmentation
slash = strlen(ARG0)
while (slash > 0 && ARG0[slash : slash] ne '/') { slash = slash - 1 }
load ARG0[1 : slash].'style.gp'

set datafile separator ','
stats ARG1 using 1 every ::1 nooutput
last = STATS_max
width = 1000
height = 460
mib = 1.0 / (1 << 20)
share(used, held) = held > 0 ? 100 * (1 - used / held) : 0
# A line through the means of so many requests: single ones are a carpet.
bin = ceil(last / 200.0)
at(request) = (floor((request - 1) / bin) + 0.5) * bin
set xrange [0 : last]
set grid ytics noxtics
set key outside right top vertical Left reverse samplen 1.5

do for [format in 'svg png'] {
  @svg name 'fragmentation'
  if (format eq 'png') { @png }
  set output ARG2.'.'.format
  set multiplot layout 2, 1 title 'blocks of keys and values'
  set xlabel ''
  set ylabel 'MiB'
  plot \
    ARG1 every ::1 using (at($1)):($3 * mib) smooth unique with lines lc rgb '#d55e00' lw 1 title 'held, scattered', \
    ARG1 every ::1 using (at($1)):($5 * mib) smooth unique with lines lc rgb '#0072b2' lw 1 title 'held, moved', \
    ARG1 every ::1 using (at($1)):($2 * mib) smooth unique with lines lc rgb '#000000' lw 1 title 'in use'
  set xlabel sprintf('requests, means of %d', bin)
  set ylabel '% of what is held is empty'
  plot \
    ARG1 every ::1 using (at($1)):(share($2, $3)) smooth unique with lines lc rgb '#d55e00' lw 1 title 'scattered', \
    ARG1 every ::1 using (at($1)):(share($4, $5)) smooth unique with lines lc rgb '#0072b2' lw 1 title 'moved'
  unset multiplot
  set output
}
