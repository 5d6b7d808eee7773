# How near each variant comes to the ceiling that limits it: bars for cold, triangles for warm.
#
#   gnuplot -c plots/kernels.gp RESULTS.csv OUTPUT       writes OUTPUT.svg and OUTPUT.png
#
# Reads the CSV of `dyno kernels bench`. Every problem is a group of bars, one a variant.
csv = ARG1
output = ARG2

set datafile separator comma
set datafile columnheaders

# First a block of lines for each condition: the height at which a variant is drawn, its
# attainment in percent, its name, its tier, whether it is the fastest, what limits it, and, on
# the first line of a problem, its title (gnuplot would take an empty one from the line before).
start = "row = 0.0; last = ''; title = ''"
group(label, problem) = label eq '' ? problem : label.':  '.problem
place(name) = (title = (name eq last ? '-' : name), row = row - (name eq last ? 1 : 2.6), last = name, row)
fields = "(place(group(strcol('label'), strcol('problem')))):(100 * column('attainment')):" \
  . "(strcol('kernel')):(strcol('tier')):(column('fastest')):(strcol('limit')):(title)"
# Filtered rows are still evaluated, so every condition is filtered on its way in.
rows(condition) = "< awk 'NR == 1 { for (i = 1; NF >= i; i++) if ($i == \"condition\") c = i }" \
  . " NR == 1 || $c == \"".condition."\"' FS=, '".csv."'"

if (int(system(rows('cold')[3 :].' | wc -l')) < 2) {
  exit error csv.': no cold results; dyno kernels bench --cold makes them'
}

@start
set table $cold separator tab
plot rows('cold') using @fields with table
unset table
lowest = row
@start
set table $warm separator tab
plot rows('warm') using @fields with table
unset table
lowest = row < lowest ? row : lowest
host = ''
stats csv using (host = strcol('host').', '.strcol('cpu').', '.strcol('threads').' thread' \
  .(column('threads') > 1 ? 's' : '').', '.strcol('started'), 1) nooutput

set datafile nocolumnheaders
set datafile separator tab

# A colour for each tier (Okabe and Ito's palette, which the colour-blind can tell apart).
tiers = 'ref avx2 avx512 avx512vnni avx512bf16'
array colours[5] = [0x999999, 0x56b4e9, 0x0072b2, 0xe69f00, 0xd55e00]
is_tier(i) = trim(strcol(4)) eq word(tiers, i)

pixels = 150 - 22 * lowest
set title "share of the limiting ceiling that each kernel variant reaches\n".host noenhanced
set xlabel '% of what the read or the MAC ceiling allows, measured in the same minute'
stats $cold using 2 nooutput
set xrange [0 : 1.28 * (STATS_max > 100 ? STATS_max : 100)]
set yrange [lowest - 1 : 0]
set grid xtics linecolor rgb '#dddddd'
set border 1
set xtics nomirror
set ytics scale 0 noenhanced
set lmargin 42
set rmargin 4
set key bmargin center horizontal noenhanced height 1
set arrow 1 from 100, graph 0 to 100, graph 1 nohead dashtype 2 linecolor rgb '#444444'

half = 0.4
title_of(text) = text eq '-' ? '' : text
do for [format in 'svg png'] {
  if (format eq 'svg') {
    set terminal svg noenhanced size 1100, pixels name 'kernels' font 'sans,12' background '#ffffff'
  } else {
    set terminal pngcairo noenhanced size 1100, pixels font 'sans,10'
  }
  set output output.'.'.format
  plot for [i = 1 : 5] $cold \
      using (is_tier(i) ? 0 : NaN):1:(0):2:($1 - half):($1 + half) \
      with boxxyerror fillstyle solid noborder linecolor rgb colours[i] title word(tiers, i), \
    $warm using 2:($1 - half) with points pointtype 9 pointsize 0.7 linecolor rgb '#000000' \
      title 'warm', \
    $cold using 2:1:(sprintf('  %.3g %%%s, %s', $2, $5 == 1 ? ' fastest' : '', trim(strcol(6)))) \
      with labels left textcolor rgb '#444444' notitle, \
    $cold using (0):1:ytic(trim(strcol(3))) with points pointtype -1 notitle, \
    $cold using (0):($1 + 1):(title_of(trim(strcol(7)))) with labels left font ':Bold' notitle
}
set output
