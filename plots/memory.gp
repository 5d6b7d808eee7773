# What the resident memory is made of, over the run.
#
#   gnuplot -c plots/memory.gp plots/data/memory.tsv plots/memory [SUBTITLE]
about = ARGC >= 3 ? ARG3 : ''
slash = strlen(ARG0)
while (slash > 0 && ARG0[slash : slash] ne '/') { slash = slash - 1 }
load ARG0[1 : slash].'style.gp'

unit = ''
stats ARG1 index 0 using (unit = trim(strcol(1)), 1) nooutput
stats ARG1 index 1 using (column(8) > column(9) || column(9) != column(9) ? column(8) : column(9)) nooutput
high = 1.04 * STATS_max
stats ARG1 index 1 using 1 nooutput
last = STATS_max; first = STATS_min
parts = "weights|keys and values|workspace|caches|held by allocators|other"
part(i) = i == 1 ? 'weights' : i == 2 ? 'keys and values' : i == 3 ? 'workspace' : \
  i == 4 ? 'caches' : i == 5 ? 'held by allocators' : 'other'
array shade[6] = [0x56b4e9, 0x0072b2, 0xe69f00, 0x009e73, 0xcc79a7, 0xbec5cc]
under(i) = sum [k = 2 : i] column(k)

cases = 0
array names[64]
do for [i = 1 : 64] { names[i] = '' }
stats ARG1 index 2 using (names[int($1)] = trim(strcol(2)), cases = $1 > cases ? $1 : cases, 1) nooutput

width = 1000
height = 460
set title "memory over time\n".about noenhanced 
set xlabel 'seconds since the start'
set ylabel unit
set xrange [first : last]
set yrange [0 : 1.1 * high]
set grid ytics noxtics
set key outside right top vertical Left reverse samplen 1.5

do for [format in 'svg png'] {
  @svg name 'memory'
  if (format eq 'png') { @png }
  set output ARG2.'.'.format
  plot \
    for [i = 6 : 1 : -1] ARG1 index 1 using 1:(under(i + 1)) with filledcurves y1=0 fillstyle solid noborder \
      linecolor rgb shade[i] title part(i), \
    ARG1 index 1 using 1:8 with lines linewidth 1.4 linecolor rgb ink title 'resident', \
    ARG1 index 1 using 1:9 with lines linewidth 1.2 dashtype 2 linecolor rgb ink title 'peak resident', \
    keyentry with points pointtype -1 title ' ', \
    keyentry with points pointtype -1 title 'running (strip above)', \
    for [i = 1 : cases] ARG1 index 2 using ($1 == i ? $3 : NaN):(high * 1.065):3:4:(high * 1.04):(high * 1.09) \
      with boxxyerror fillstyle solid noborder linecolor rgb line(i) title names[i]
}
set output
