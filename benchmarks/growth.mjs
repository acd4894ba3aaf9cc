// How the cost of one changes with how many there are: rows that do `total` of something, in rounds of different size.
const total = 100_000
const sizes = [100_000, 10_000, 1000, 100]

/** `round(size)` does that many at once. The largest comes first, as ours: the 1 000 must cost 2/3 of it at least. */
export const growth = (name, what, make) => ({
  name,
  unit: 'ns',
  n: total,
  goal: { [`1000 ${what}`]: 0.67 },
  subjects: Object.fromEntries(
    sizes.map((size) => [
      `${size} ${what}`,
      async () => {
        const round = await make()
        return {
          async run() {
            for (let done = 0; done < total; done += size) await round(size)
          },
        }
      },
    ]),
  ),
})
