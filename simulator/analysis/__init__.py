"""What it means: options measured, sized, compared, and how sure all that is.

From the ledger upwards: ``study`` is what is asked; ``reshape`` and ``sampling`` make the requests
that an option sees, ``planning`` what the engine runs, ``tally`` and ``outcome`` what it did, and
``evaluate`` ties these together for one option at one size. ``sizing`` finds the size of an option
that runs by itself; ``search``, ``assignment`` and ``cascade`` that of options made of others;
``options`` of any. ``worlds`` draws what is uncertain. ``verdict`` asks for everything else:
``breakeven`` along volume or an axis, ``overtime`` along months, ``sensitivity`` and ``flips``.
``views`` are what its report shows beside it: ``timeline`` and ``cachemap``.
``capacity``, ``gap``, ``replications``, ``benchmark`` and ``calibration`` answer commands of their
own, and ``quality`` reads evaluations.
"""
