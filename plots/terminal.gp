# The main plots as text.
#
#   gnuplot -c plots/terminal.gp plots/data/decode.tsv decode [COLUMNS [ansi256|mono]]
#
# The second argument says which: decode, itl or components.
data = ARG1
which = ARG2
columns = ARGC >= 3 ? int(ARG3) : 80
coloured = ARGC >= 4 && ARG4 eq 'ansi256'
about = ''
slash = strlen(ARG0)
while (slash > 0 && ARG0[slash : slash] ne '/') { slash = slash - 1 }
load ARG0[1 : slash].'style.gp'

stats data using 1 nooutput
rows = int(STATS_max)
deep = which eq 'itl' ? 24 : which eq 'decode' ? 7 + 3 * rows : 6 + 3 * rows
if (coloured) { set terminal dumb size columns, deep noenhanced ansi256
} else { set terminal dumb size columns, deep noenhanced mono }
unset grid
set border 1
set key off
set tics scale 0.5
set lmargin 30
set rmargin 3
# A letter for each case, as in the other plots a colour.
letter(i) = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[1 + (int(i) - 1) % 26 : 1 + (int(i) - 1) % 26]

if (which eq 'decode') {
  stats data index 0 using 9 nooutput
  low = STATS_min
  stats data index 0 using 10 nooutput
  high = STATS_max
  wide = high > 6 * low
  if (wide) { set logscale x }
  if (high - low < 0.06 * high) { low = 0.97 * high; high = 1.03 * high }
  set xrange [wide ? low / 1.1 : low - 0.03 * (high - low) : wide ? high * 1.1 : high + 0.03 * (high - low)]
  set yrange [-rows - 0.6 : -0.4]
  set ytics scale 0
  set title 'decode, tokens/s: o iterations, |---| middle half, # median'
  set label 1 '' at graph 0, 0
  array names[rows]
  stats data index 0 using (names[int($1)] = trim(strcol(2)).'  '.number($4), 1) nooutput
  set ytics ()
  do for [i = 1 : rows] { set ytics add (names[i] -i) }
  plot data index 0 using 7:(-$1):($8 - $7):(0) with vectors nohead linewidth 2 linecolor rgb colours[5], \
    data index 1 using 2:(-$1):('o') with labels textcolor rgb colours[1], \
    data index 0 using 7:(-$1):('|') with labels textcolor rgb ink, \
    data index 0 using 8:(-$1):('|') with labels textcolor rgb ink, \
    data index 0 using 4:(-$1):('#') with labels textcolor rgb colours[6]
}

if (which eq 'itl') {
  low = 1e300; high = 0
  array names[rows]
  do for [i = 1 : rows] {
    stats data index 2 * i - 2 using (names[i] = letter(i).' '.trim(strcol(2)), low = $4 < low ? $4 : low, \
      high = $6 > high ? $6 : high, 1) nooutput
  }
  high = high * 1.5
  if (high > 4 * low) { set logscale x }
  set lmargin 6
  set border 3
  set xrange [low : high]
  set yrange [0 : 105]
  set format x '%g'
  set ytics 25
  legend = ''
  do for [i = 1 : rows] { legend = legend.(i > 1 ? ', ' : '').names[i] }
  set title 'time between tokens, ms (to 1.5 times the slowest p99): % that took no longer'."\n".legend
  plot for [i = 1 : rows] data index 2 * i - 1 every 6 using 2:(100 * $3):(letter(i)) with labels \
      textcolor rgb line(i)
}

if (which eq 'components') {
  array names[rows]
  stats data index 0 using (names[int($1)] = trim(strcol(2)).'  '.number($3), 1) nooutput
  stats data index 0 using ($3 > 0 ? log10($3) : NaN) nooutput
  high = STATS_max
  stats data index 0 using ($4 > 0 ? log10($4) : NaN) nooutput
  low = STATS_min - 0.3
  stats data index 0 using ($5 > 0 ? log10($5) : NaN) nooutput
  high = high > STATS_max ? high : STATS_max
  set xrange [10 ** low : 10 ** (high + 0.05 * (high - low))]
  set logscale x
  set yrange [-rows - 0.6 : -0.4]
  set ytics scale 0
  set ytics ()
  do for [i = 1 : rows] { set ytics add (names[i] -i) }
  set format x '%.0s%c'
  set title "components, tokens/s: --- measured; guide: b baseline, o optimized"
  plot data index 0 using (10 ** low):(-$1):($3 > 0 ? $3 - 10 ** low : NaN):(0) with vectors nohead \
      linecolor rgb colours[1], \
    data index 0 using 4:(-$1):('b') with labels textcolor rgb ink, \
    data index 0 using 5:(-$1):('o') with labels textcolor rgb ink
}
