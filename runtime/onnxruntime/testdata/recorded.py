"""Runs program.py as it stands, but that what it draws are the arrays 0, 1, ... of draws.npz."""
import numpy as np

draws = np.load("draws.npz")


class Recorded:
    drawn = 0

    def draw(self, shape):
        x = draws[str(self.drawn)]
        assert x.shape == tuple(shape), "draw %d is %s, asked for %s" % (self.drawn, x.shape, shape)
        self.drawn += 1
        return x

    random = standard_normal = draw


np.random.default_rng = lambda seed: Recorded()
exec(compile(open("program.py").read(), "program.py", "exec"))
