# Where the threads' time goes, op by op: prefill at the left, decode at the right.
#
#   gnuplot -c plots/time.gp plots/data/time.tsv plots/time [SUBTITLE]
about = ARGC >= 3 ? ARG3 : ''
slash = strlen(ARG0)
while (slash > 0 && ARG0[slash : slash] ne '/') { slash = slash - 1 }
style = ARG0[1 : slash].'style.gp'
load style
data = ARG1
output = ARG2

stats data index 0 using 1 nooutput
legend = int(STATS_records)
stats data index 2 using 2 nooutput
rows = int(STATS_max)
width = 1100
bars = 34 * rows
height = 118 + bars + 19 * legend
# Ops, then: other ops, waiting, between ops.
fill(i) = i <= 10 ? colours[int(i)] : i == 11 ? 0x8c959f : i == 12 ? 0xbec5cc : 0xe3e7eb
# White on dark colours, ink on light ones.
inside(i) = (i == 1 || i == 6 || i == 8 || i == 10 || i == 3) ? 0xffffff : 0x1f2328
phases = 'prefill decode'

do for [format in 'svg png'] {
  @svg name 'time'
  if (format eq 'png') { @png }
  set output output.'.'.format
  set multiplot title "share of the threads' time, by op\n".about noenhanced textcolor rgb ink
  set key off
  set border 1
  set tmargin at screen 1 - 66.0 / height
  set bmargin at screen 1 - (66.0 + bars) / height
  set xrange [0 : 100]
  set yrange [-rows - 0.5 : -0.5]
  set format x '%g %%'
  set xtics 0, 25, 100 offset 0, 0.4
  set grid noytics xtics
  unset ytics
  do for [p = 0 : 1] {
    set lmargin at screen p == 0 ? 0.195 : 0.6
    set rmargin at screen p == 0 ? 0.485 : 0.89
    set title word(phases, p + 1) offset 0, -0.8 font ':Bold'
    plot \
      data index 1 using ($1 == p ? $4 : NaN):(-$2):4:5:(-$2 - 0.36):(-$2 + 0.36):(fill($3)) \
        with boxxyerror fillstyle solid noborder linecolor rgb variable, \
      data index 1 using ($1 == p && $5 - $4 >= 8 ? ($4 + $5) / 2 : NaN):(-$2):(sprintf('%.0f', $5 - $4)):(inside($3)) \
        with labels center font ',8.5' textcolor rgb variable, \
      data index 2 using ($1 == p ? 100 : NaN):(-$2):(number($4).' ms/token') \
        with labels left offset 1, 0 textcolor rgb muted font ',9', \
      data index 2 using ($1 == p && p == 0 ? 0 : NaN):(-$2):(trim(strcol(3))) \
        with labels right offset -1, 0 textcolor rgb ink
  }
  set tmargin at screen 19.0 * legend / height + 6.0 / height
  set bmargin at screen 6.0 / height
  set lmargin at screen 0.195
  set rmargin at screen 0.98
  unset title; unset border; unset tics; unset grid
  set xrange [0 : 100]
  set yrange [-legend : 0]
  plot \
    data index 0 using (0.5):(-$0 - 0.5):(0):(1.2):(-$0 - 0.82):(-$0 - 0.18):(fill($1)) \
      with boxxyerror fillstyle solid noborder linecolor rgb variable, \
    data index 0 using (2):(-$0 - 0.5):(trim(strcol(2))) with labels left textcolor rgb ink font ',9.5', \
    data index 0 using (27):(-$0 - 0.5):(text(strcol(3))) with labels left textcolor rgb muted font ',9'
  unset multiplot
  reset
  load style
  width = 1100
  height = 118 + bars + 19 * legend
}
set output
