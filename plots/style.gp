# What the plots of a benchmark share; they load it.
set encoding utf8
set datafile separator tab

# The report replaces these in the dark: harness/report/bench_html_svg.c knows them.
ink = '#1f2328'
muted = '#59636e'
faint = '#d1d9e0'
paper = '#ffffff'

# Colours that the colour-blind can tell apart: Okabe and Ito's, and some of Tol's.
array colours[10] = [0x0072b2, 0xe69f00, 0x009e73, 0xcc79a7, 0x56b4e9, 0xd55e00, 0xf0e442, \
  0x882255, 0x44aa99, 0x6a5acd]
# Lines want contrast with the paper: no yellow, and dashes from the eighth on.
array lines[10] = [0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7, 0xe69f00, 0x56b4e9, 0x882255, \
  0x44aa99, 0x999933, 0x6a5acd]
colour(i) = colours[1 + (int(i) - 1) % 10]
line(i) = lines[1 + (int(i) - 1) % 10]
dash(i) = 1 + (int(i) - 1) / 10

# Three digits, as the tables have them.
number(x) = x != x ? 'n/a' : abs(x) >= 1e6 ? sprintf('%.2fM', x / 1e6) : \
  abs(x) >= 1000 ? sprintf('%.0f', x) : abs(x) >= 100 ? sprintf('%.0f', x) : \
  abs(x) >= 10 ? sprintf('%.1f', x) : abs(x) >= 1 ? sprintf('%.2f', x) : sprintf('%.3g', x)

# Text that is not there is a dash in the data.
text(s) = trim(s) eq '-' ? '' : trim(s)

# A step of 1, 2 or 5 that divides a range into three to seven parts.
nice(span) = nice_of(span / 4.0, 10 ** floor(log10(span / 4.0)))
nice_of(step, power) = step / power < 1.5 ? power : step / power < 3.5 ? 2 * power : step / power < 7.5 ? 5 * power : 10 * power

set border 3 linecolor rgb muted
set tics nomirror textcolor rgb ink scale 0.5
set xlabel textcolor rgb muted
set ylabel textcolor rgb muted
set title textcolor rgb ink
set key textcolor rgb ink noenhanced
set grid linecolor rgb faint linetype 1 linewidth 0.7

width = 1000
height = 480
svg = "set terminal svg noenhanced size width, height font 'Helvetica,12' background paper"
png = "set terminal pngcairo noenhanced size width, height font 'sans,9.5' background paper"
