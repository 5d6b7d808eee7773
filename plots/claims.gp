# How much better the guide's techniques are, measured beside claimed: `dyno ablate --plot` writes
# the data.
#
#   gnuplot -c plots/claims.gp DATA OUTPUT       writes OUTPUT.svg
slash = strlen(ARG0)
while (slash > 0 && ARG0[slash : slash] ne '/') { slash = slash - 1 }
load ARG0[1 : slash].'style.gp'

stats ARG1 index 0 using 1 nooutput
rows = int(STATS_records)
stats ARG1 index 1 using 1 nooutput
runs = int(STATS_records)
array names[runs]
do for [i = 1 : runs] { stats ARG1 index 1 every ::(i - 1)::(i - 1) using (names[i] = trim(strcol(2)), 1) nooutput }

# Ratios on a logarithmic axis, marked where people look for them.
low = 0.9; high = 1.25
fits(x) = x == x && x > 0
grow(x) = fits(x) ? (low = x < low ? x : low, high = x > high ? x : high, 1) : 1
stats ARG1 index 0 using (grow($3)) nooutput
do for [i = 0 : runs - 1] {
  stats ARG1 index 0 using (grow(column(4 + 3 * i)) + grow(column(5 + 3 * i)) + grow(column(6 + 3 * i))) nooutput
}

width = 1000
top = 64; bottom = 84
height = top + bottom + (16 + 12 * runs) * rows
place(row, run) = -row + (runs == 1 ? 0 : 0.5 * ((runs - 1) / 2.0 - run) / (runs - 1))

set title "the guide's techniques: on against off" noenhanced
set xlabel 'times as good as without (speed, or the cost without over that with it), logarithmic'
set logscale x
set xrange [low / 1.05 : high * 1.08]
set yrange [-rows + 0.4 : 0.6]
set xtics (0.1, 0.2, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20, 50, 100)
set border 1
set ytics scale 0 noenhanced
set grid xtics noytics
set lmargin at screen 0.19
set rmargin at screen 0.97
set tmargin at screen 1 - top / real(height)
set bmargin at screen bottom / real(height)
set arrow 1 from 1, graph 0 to 1, graph 1 nohead linecolor rgb muted linewidth 1.5
set key at screen 0.58, screen 14.0 / height center bottom horizontal maxrows 1 Left reverse samplen 1.5

@svg name 'claims'
set output ARG2.'.svg'
plot \
  ARG1 index 0 using 3:(-$1) with points pointtype 12 pointsize 1.5 linewidth 2 linecolor rgb colours[6] title 'claimed', \
  for [i = 0 : runs - 1] ARG1 index 0 using (column(4 + 3 * i)):(place($1, i)):(column(5 + 3 * i)):(column(6 + 3 * i)) \
    with xerrorbars pointtype 5 pointsize 0.7 linewidth 1.7 linecolor rgb line(i + (i == 0 ? 1 : 2)) title names[i + 1].', with 95 %', \
  ARG1 index 0 using (1):(-$1):ytic(trim(strcol(2))) with points pointtype -1 notitle
set output
