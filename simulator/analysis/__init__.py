"""Analysis: options simulated, sized and compared, and how sure the comparison is.

The folders build on one another in this order: ``study`` holds the question, ``quality`` the model
of correct answers, ``sampling`` chooses the requests to simulate, ``simulate`` evaluates one option
at one size, ``size`` finds the best size of an option, and ``decide`` compares options and gives
the verdict. ``views`` simulates what a report shows in addition to the verdict; ``commands`` and
``bench`` serve commands other than ``run``.
"""
