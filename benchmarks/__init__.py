"""Speed, measured in one run and quoted as ratios: `make bench`."""
