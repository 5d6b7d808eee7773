# Speed of each case over many runs, its levels, and the commits at which they changed.
#
#   gnuplot -c plots/changes.gp DATA OUTPUT [SUBTITLE]      writes OUTPUT.svg and OUTPUT.png
#
# Reads what `dyno history --plot OUTPUT` wrote.
about = ARGC >= 3 ? ARG3 : ''
slash = strlen(ARG0)
while (slash > 0 && ARG0[slash : slash] ne '/') { slash = slash - 1 }
load ARG0[1 : slash].'style.gp'

stats ARG1 index 0 using 1 nooutput
runs = int(STATS_records)
stats ARG1 index 1 using 1 nooutput
cases = int(STATS_records)
array names[cases]
array changes[cases]
stats ARG1 index 1 using (names[int($1)] = trim(strcol(2)), changes[int($1)] = $3, 1) nooutput

columns = cases > 1 ? 2 : 1
rows = (cases + columns - 1) / columns
width = 1100
height = 70 + 230 * rows
# At most some twelve commits can be read beside each other.
step = (runs + 11) / 12
set grid ytics
set lmargin 12
set xrange [0.5 : runs + 0.5]
set format y '%g'
set xtics rotate by 40 right font ',8'
unset key

do for [format in 'svg png'] {
  @svg name 'changes'
  if (format eq 'png') { @png }
  set output ARG2.'.'.format
  set multiplot layout rows, columns title "speed, tokens/s, and the levels it kept; commits where they changed\n".about noenhanced
  do for [i = 1 : cases] {
    set title names[i] noenhanced
    set yrange [*:*]
    stats ARG1 index 2 using ($1 == i ? $3 : NaN) nooutput
    low = STATS_min
    high = STATS_max
    room = high > low ? high - low : 0.1 * high
    set yrange [low - 0.08 * room : high + 0.3 * room]
    plot \
      ARG1 index 2 using ($1 == i ? $2 : NaN):3 with points pointtype 7 pointsize 0.35 linecolor rgb muted, \
      ARG1 index 3 using ($1 == i ? $2 : NaN):4:($3 - $2):(0) with vectors nohead linewidth 2.5 linecolor rgb line(1), \
      ARG1 index 0 every step using 1:(low):xtic(trim(strcol(2)).' '.trim(strcol(3))) with points pointtype -1, \
      for [once = 1 : changes[i] > 0] ARG1 index 4 using ($1 == i ? $2 : NaN):(low - 0.08 * room):(0):(1.38 * room) \
        with vectors nohead dashtype 3 linecolor rgb line(2), \
      for [once = 1 : changes[i] > 0] ARG1 index 4 using ($1 == i && 2 * $2 > runs ? $2 : NaN):(high + 0.2 * room):(trim(strcol(3)).' '.trim(strcol(4)).' ') \
        with labels right textcolor rgb line(2) font ',9', \
      for [once = 1 : changes[i] > 0] ARG1 index 4 using ($1 == i && 2 * $2 <= runs ? $2 : NaN):(high + 0.2 * room):(' '.trim(strcol(3)).' '.trim(strcol(4))) \
        with labels left textcolor rgb line(2) font ',9'
  }
  unset multiplot
}
set output
