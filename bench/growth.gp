# Three panels of what grows: gnuplot -e "data = '...'; picture = '...'" growth.gp
set terminal svg size 1080,340 font "sans-serif,10" background "white"
set output picture
stats data index 0 using 1 nooutput
set multiplot layout 1,3
set key off
set grid lc rgb "#dddddd"
set border 3 lc rgb "#444444"
set tics nomirror
set format x "%.0s %c"
set style line 1 lc rgb "#1f5fa8" lw 2 pt 7 ps 0.8
set yrange [0:*]
set lmargin 9

set xrange [-STATS_max * 0.04:STATS_max * 1.06]
set xtics 0, STATS_max / 2

set title "(a) a batch of one row"
set xlabel "consumed rows not emptied yet"
set ylabel "ms"
plot data index 0 using 1:2 with lines ls 1, "" index 0 using 1:2:3:4 with yerrorbars ls 1

set title "(b) draining a backlog"
set xlabel "rows"
set ylabel "s"
plot data index 1 using 1:2 with lines ls 1, "" index 1 using 1:2:3:4 with yerrorbars ls 1

# at least up to the limit, so that flat looks flat
set title "(c) the worker's memory while draining"
set xlabel "rows"
set ylabel "MB above idle"
set yrange [0:70]
plot data index 2 using 1:2 with lines ls 1, "" index 2 using 1:2:3:4 with yerrorbars ls 1, \
	64 with lines lc rgb "#aa3333" dt 2
unset multiplot
