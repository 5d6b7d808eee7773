# What caches of other sizes would have had of a trace.
#
#   gnuplot -c plots/cache.gp curve.tsv curve [SUBTITLE]
about = ARGC >= 3 ? ARG3 : ''
slash = strlen(ARG0)
while (slash > 0 && ARG0[slash : slash] ne '/') { slash = slash - 1 }
load ARG0[1 : slash].'style.gp'

factor(x) = x < 1 ? sprintf('1/%.0f', 1 / x) : sprintf('%.0f', x)
bytes(x) = x >= 2 ** 30 ? number(x / 2 ** 30).' GiB' : x >= 2 ** 20 ? number(x / 2 ** 20).' MiB' : \
  number(x / 2 ** 10).' KiB'

width = 760
height = 440
set title 'hits of caches of other sizes, replaced by recency'."\n".about noenhanced
set xlabel "size, as a multiple of the caches at hand (below: bytes of rows, of prefixes)" offset 0, -2
set ylabel '% of lookups'
set logscale x 2
set xrange [0.105 : 9.6]
set yrange [0 : 104]
set bmargin 7
set lmargin 9
set key bottom right Left reverse samplen 2
set arrow 1 from 1, graph 0 to 1, graph 1 nohead dashtype 3 linecolor rgb muted

do for [format in 'svg png'] {
  @svg name 'cache'
  if (format eq 'png') { @png }
  set output ARG2.'.'.format
  plot \
    ARG1 index 0 using 1:(100 * $5):xtic(factor($1)) with linespoints pointtype 7 pointsize 0.8 linewidth 2 \
      linecolor rgb line(1) title 'prefixes (L2 and L3): nodes of 64 tokens', \
    ARG1 index 0 using 1:(100 * $3) with linespoints pointtype 5 pointsize 0.8 linewidth 2 \
      linecolor rgb line(2) title 'L1: embedding rows', \
    ARG1 index 0 using 1:(0):(bytes($2)) with labels offset 0, -2.3 textcolor rgb line(2) notitle, \
    ARG1 index 0 using 1:(0):(bytes($4)) with labels offset 0, -3.3 textcolor rgb line(1) notitle
}
set output
