# The time of every token, in the order they were made: a panel for each case.
#
#   gnuplot -c plots/tokens.gp plots/data/tokens.tsv plots/tokens [SUBTITLE]
about = ARGC >= 3 ? ARG3 : ''
slash = strlen(ARG0)
while (slash > 0 && ARG0[slash : slash] ne '/') { slash = slash - 1 }
load ARG0[1 : slash].'style.gp'

stats ARG1 using 1 nooutput
cases = int(STATS_max)
panel = 150
height = 60 + panel * cases
top = 44.0 / height
each = (1 - top - 10.0 / height) / cases
array names[cases]
array tokens[cases]
array medians[cases]
array slowest[cases]
array lowest[cases]
array p99[cases]
do for [i = 1 : cases] {
  stats ARG1 index 4 * i - 4 using (names[i] = trim(strcol(2)), tokens[i] = $3, medians[i] = $4, \
    p99[i] = $5, lowest[i] = $6, slowest[i] = $7, 1) nooutput
}
steal_colour = 0xe69f00

do for [format in 'svg png'] {
  @svg name 'tokens'
  if (format eq 'png') { @png }
  set output ARG2.'.'.format
  set multiplot title "time of every token\n".about noenhanced textcolor rgb ink
  set key off
  set border 3
  set lmargin at screen 0.08
  set rmargin at screen 0.985
  do for [i = 1 : cases] {
    wide = slowest[i] > 5 * lowest[i]
    unset logscale
    if (wide) { set logscale y }
    below = wide ? lowest[i] / (slowest[i] / lowest[i]) ** 0.15 : lowest[i] - 0.12 * (slowest[i] - lowest[i] + 0.02 * medians[i])
    above = wide ? slowest[i] * (slowest[i] / lowest[i]) ** 0.28 : slowest[i] + 0.35 * (slowest[i] - lowest[i] + 0.02 * medians[i])
    set tmargin at screen 1 - top - each * (i - 1) - 24.0 / height
    set bmargin at screen 1 - top - each * i + 26.0 / height
    set xrange [0.5 : tokens[i] + 0.5]
    set yrange [below : above]
    set grid ytics noxtics
    set xtics offset 0, 0.4
    set format y '%g ms'
    set ytics nice(above - below)
    if (wide) { set ytics autofreq }
    if (wide && above / below < 30) { set ytics (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) }
    set label 1 names[i].sprintf(': %d tokens, median %s ms, 99 %% within %s ms', tokens[i], \
      number(medians[i]), number(p99[i])).(wide ? '; logarithmic' : '') \
      at graph 0, graph 1 left offset 0, 0.8 noenhanced textcolor rgb ink
    plot \
      ARG1 index 4 * i - 1 using (($2 + $3) / 2):(above):2:3:(below):($6 >= 0.005 ? above : NaN) \
        with boxxyerror fillstyle transparent solid 0.22 noborder linecolor rgb steal_colour, \
      ARG1 index 4 * i - 1 using 3:(below):(0):(above - below) with vectors nohead \
        linewidth 0.8 linecolor rgb faint, \
      ARG1 index 4 * i - 3 using 2:3:5 with filledcurves fillstyle solid 0.35 noborder \
        linecolor rgb colours[5], \
      ARG1 index 4 * i - 3 using 2:4 with lines linewidth 1 linecolor rgb colours[1], \
      ARG1 index 4 * i - 2 using 2:3 with points pointtype 8 pointsize 0.6 linecolor rgb 0xd1242f, \
      ARG1 index 4 * i - 1 using (($2 + $3) / 2):(above):(text(strcol(5))) \
        with labels center offset 0, -0.7 textcolor rgb muted font ',8', \
      ARG1 index 4 * i - 1 using 2:($6 >= 0.005 ? below : NaN):(sprintf(' steal %.0f %%', 100 * $6)) \
        with labels left offset 0, 0.6 textcolor rgb muted font ',8'
  }
  unset multiplot
}
set output
