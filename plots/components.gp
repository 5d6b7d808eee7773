# The guide's component table: measured, beside the guide's figures.
#
#   gnuplot -c plots/components.gp plots/data/components.tsv plots/components [SUBTITLE]
about = ARGC >= 3 ? ARG3 : ''
slash = strlen(ARG0)
while (slash > 0 && ARG0[slash : slash] ne '/') { slash = slash - 1 }
load ARG0[1 : slash].'style.gp'

stats ARG1 index 0 using 1 nooutput
rows = int(STATS_records)
low = 1e300; high = 0
least(a, b) = b == b && b > 0 && b < a ? b : a
most(a, b) = b == b && b > a ? b : a
stats ARG1 index 0 using (low = least(least(least(low, $3), $4), $5), high = most(most(most(high, $3), $4), $5), 1) nooutput
left = 10 ** floor(log10(low) - 0.3)
right = 10 ** (log10(high) + 0.16 * log10(high / left))

width = 1000
height = 120 + 66 * rows
set title "tokens per second of each component, beside the guide's figures for gpt-oss-20b\n".about noenhanced
set xlabel 'tokens/s, logarithmic'
set logscale x
set xrange [left : right]
set yrange [-rows - 0.55 : -0.45]
set format x '%.0s%c'
set border 1
set ytics scale 0
set grid xtics noytics
set lmargin at screen 0.2
set bmargin at screen 78.0 / height
set rmargin at screen 0.97
set key at screen 0.57, screen 8.0 / height center bottom horizontal maxrows 1 Left reverse samplen 1.5
bar(y) = y == y && y > 0 ? y : NaN

do for [format in 'svg png'] {
  @svg name 'components'
  if (format eq 'png') { @png }
  set output ARG2.'.'.format
  plot \
    ARG1 index 0 using (bar($3)):(-$1 + 0.27):(left):(bar($3)):(-$1 + 0.14):(-$1 + 0.4) with boxxyerror \
      fillstyle solid noborder linecolor rgb colours[1] title 'measured', \
    ARG1 index 0 using (bar($5)):(-$1):(left):(bar($5)):(-$1 - 0.13):(-$1 + 0.13) with boxxyerror \
      fillstyle solid noborder linecolor rgb 0x8c959f title "guide, optimized", \
    ARG1 index 0 using (bar($4)):(-$1 - 0.27):(left):(bar($4)):(-$1 - 0.4):(-$1 - 0.14) with boxxyerror \
      fillstyle solid noborder linecolor rgb 0xc9d1d9 title "guide, baseline", \
    ARG1 index 0 using ($3 == $3 && $3 > 0 ? $3 : left):(-$1 + 0.27):(number($3)) with labels left offset 0.7, 0 \
      textcolor rgb ink notitle, \
    ARG1 index 0 using (bar($5)):(-$1):(sprintf('%g', $5)) with labels left offset 0.7, 0 textcolor rgb muted notitle, \
    ARG1 index 0 using (bar($4)):(-$1 - 0.27):(sprintf('%g', $4)) with labels left offset 0.7, 0 textcolor rgb muted notitle, \
    ARG1 index 0 using (left):(-$1):ytic(trim(strcol(2))) with points pointtype -1 notitle
}
set output
