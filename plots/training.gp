# The loss of a training run by family, as train.py logs it.
#
#   gnuplot -c plots/training.gp loss.csv OUTPUT       writes OUTPUT.svg and OUTPUT.png
csv = ARG1
output = ARG2

set datafile separator comma
set datafile columnheaders
set logscale y
set format y '%g'
set xlabel 'step'
set ylabel 'loss of answers, nats per token'
set grid ytics lc rgb '#dddddd'
set key outside right top
set border 3
set tics nomirror
families = 'questions lookup explanations essays programs translation repetition'

draw = "plot for [i = 1 : words(families)] csv using 1 : (column(word(families, i).'_loss')) " \
  . "with lines lw 1.5 title word(families, i)"

set terminal svg size 900, 480 font 'sans,12' background rgb 'white'
set output output.'.svg'
@draw
set terminal pngcairo size 900, 480 font 'sans,10'
set output output.'.png'
@draw
