# How much faster B is than A, case by case: squares with 95 % intervals, and grey ones for an arm
# against itself.
#
#   gnuplot -c plots/forest.gp FOREST OUTPUT       writes OUTPUT.svg and OUTPUT.png
#
# Reads what `dyno compare --forest FOREST` wrote.
data = ARG1
output = ARG2

set datafile separator tab
rows = int(system("grep -vc '^#' '".data."'"))
percent(ratio) = 100 * (ratio - 1)

set title 'speed of B against A' noenhanced
set xlabel '% faster (negative: slower), with the 95 % interval; grey: an arm against itself'
set yrange [rows - 0.4 : -0.6]
set offsets graph 0.05, graph 0.05, 0, 0
set grid xtics linecolor rgb '#dddddd'
set border 1
set xtics nomirror
set ytics scale 0 noenhanced
set arrow 1 from 0, graph 0 to 0, graph 1 nohead dashtype 2 linecolor rgb '#444444'
unset key

do for [format in 'svg png'] {
  if (format eq 'svg') {
    set terminal svg noenhanced size 900, 120 + 46 * rows name 'forest' font 'sans,12' background '#ffffff'
  } else {
    set terminal pngcairo noenhanced size 900, 120 + 46 * rows font 'sans,10'
  }
  set output output.'.'.format
  plot data using (percent($5)):($0 + 0.22):(percent($6)):(percent($7)) \
      with xerrorbars pointtype 7 pointsize 0.6 linecolor rgb '#999999', \
    data using (percent($2)):0:(percent($3)):(percent($4)):ytic(1) \
      with xerrorbars pointtype 5 pointsize 1 linewidth 2 linecolor rgb '#0072b2', \
    data using (percent($2)):($0 - 0.22):(sprintf('%+.2f %%', percent($2))) \
      with labels textcolor rgb '#444444'
}
set output
