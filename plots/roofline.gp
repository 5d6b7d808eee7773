# How near each op comes to what memory and arithmetic allow.
#
#   gnuplot -c plots/roofline.gp plots/data/roofline.tsv plots/roofline [SUBTITLE]
#
# Williams, Waterman and Patterson 2009, "Roofline: an insightful visual performance model".
about = ARGC >= 3 ? ARG3 : ''
slash = strlen(ARG0)
while (slash > 0 && ARG0[slash : slash] ne '/') { slash = slash - 1 }
style = ARG0[1 : slash].'style.gp'
load style
data = ARG1
output = ARG2

stats data index 0 using 1 nooutput
points = int(STATS_records)
stats data index 2 using (left = 10 ** $1, right = 10 ** $2, bottom = 10 ** $3, top = 10 ** $4, \
  decades_x = $2 - $1, decades_y = $4 - $3, threads = $5, 1) nooutput
array ceilings[5]
array names[5]
stats data index 1 using (ceilings[int($0) + 1] = column(3), names[int($0) + 1] = trim(strcol(1)), 1) nooutput
roof = 0
do for [i = 3 : 5] { if (ceilings[i] == ceilings[i] && ceilings[i] > roof) { roof = ceilings[i] } }

width = 1100
height = 520 > 110 + 17 * points ? 520 : 110 + 17 * points
# The frame in pixels, as the labels were placed for.
x0 = 70; x1 = 670; y1 = height - 60; y0 = y1 - 400
slope = atan2(400.0 / decades_y, 600.0 / decades_x) * 180 / pi
components = 'embedding attention feed-forward sampling other'
of(i) = colours[int(i) == 0 ? 2 : int(i) == 1 ? 1 : int(i) == 2 ? 6 : int(i) == 3 ? 3 : 4]
memory(i, x) = ceilings[i] == ceilings[i] && (roof == 0 || ceilings[i] * x <= roof) ? ceilings[i] * x : NaN
level(i, x) = ceilings[i] == ceilings[i] && (ceilings[1] != ceilings[1] || ceilings[1] * x >= ceilings[i]) ? ceilings[i] : NaN

do for [format in 'svg png'] {
  @svg name 'roofline'
  if (format eq 'png') { @png }
  set output output.'.'.format
  set multiplot title sprintf("roofline of %d thread%s\n", threads, threads == 1 ? '' : 's').about noenhanced textcolor rgb ink
  set lmargin at screen x0 / real(width)
  set rmargin at screen x1 / real(width)
  set bmargin at screen real(y0) / height
  set tmargin at screen real(y1) / height
  set logscale xy
  set xrange [left : right]
  set yrange [bottom : top]
  set format '%g'
  set xlabel 'multiply-accumulates for each byte read'
  set ylabel 'GMAC/s' offset 1, 0
  set grid xtics ytics
  set key off
  set samples 400
  if (ceilings[1] == ceilings[1]) {
    set label 1 'reads '.number(ceilings[1]).' GB/s'.(ceilings[2] == ceilings[2] && threads > 1 ? \
      '; one thread '.number(ceilings[2]).' (dashed)' : '') at graph 0.02, 0.97 left textcolor rgb muted font ',9'
  }
  do for [i = 3 : 5] {
    if (ceilings[i] == ceilings[i]) {
      # Above its line, or below it where the line of another is as high.
      side = 0.55
      do for [j = 3 : i - 1] { if (abs(log10(ceilings[j] / ceilings[i])) * 400 / decades_y < 15) { side = -0.55 } }
      set label i sprintf('%s: %s GMAC/s', names[i], number(ceilings[i])) at right, ceilings[i] \
        right offset -0.5, side textcolor rgb muted font ',9'
    }
  }
  plot \
    memory(1, x) with lines linewidth 1.6 linecolor rgb ink, \
    memory(2, x) with lines linewidth 1 dashtype 2 linecolor rgb ink, \
    for [i = 3 : 5] (ceilings[i] == roof ? level(i, x) : NaN) with lines linewidth 1.6 linecolor rgb ink, \
    for [i = 3 : 5] (ceilings[i] == roof ? NaN : level(i, x)) with lines dashtype 2 linecolor rgb ink, \
    data index 0 using ($4 == 1 ? $2 : NaN):3:(of($5)) with points pointtype 7 pointsize 1 linecolor rgb variable, \
    data index 0 using ($4 == 0 ? $2 : NaN):3:(of($5)) with points pointtype 9 pointsize 1.1 linecolor rgb variable, \
    data index 0 using 8:9:(sprintf('%d', $1)) with labels center textcolor rgb ink font ',9'
  unset label; unset logscale; unset border; unset tics; unset grid; unset xlabel; unset ylabel
  set lmargin at screen (x1 + 20) / real(width)
  set rmargin at screen 0.995
  set bmargin at screen (y1 - 17.0 * points) / height
  set tmargin at screen real(y1) / height
  set xrange [0 : 100]
  set yrange [-points : 0]
  set label 1 'triangles: prefill; circles: decode; slowest first' at 0, 0.55 left textcolor rgb muted font ',9'
  plot \
    data index 0 using ($4 == 1 ? 8 : NaN):(-$0 - 0.5):(of($5)) with points pointtype 7 pointsize 0.9 linecolor rgb variable, \
    data index 0 using ($4 == 0 ? 8 : NaN):(-$0 - 0.5):(of($5)) with points pointtype 9 pointsize 1 linecolor rgb variable, \
    data index 0 using (5.5):(-$0 - 0.5):(sprintf('%d', $1)) with labels right textcolor rgb ink font ',9', \
    data index 0 using (11):(-$0 - 0.5):(text(strcol(6)).'  '.text(strcol(7))) with labels left textcolor rgb ink font ',9'
  unset multiplot
  reset
  load style
  width = 1100
  height = 520 > 110 + 17 * points ? 520 : 110 + 17 * points
}
set output
