"""Standard normal scores of central intervals: that share of cases lies between -z and z."""

Z_50 = 0.6744897501960817
Z_90 = 1.6448536269514722
Z_95 = 1.959963984540054
