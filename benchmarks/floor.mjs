// What nothing can beat: the price of an await and of the plain collections. Spread what fits into a row's subjects.

const settled = Promise.resolve(1)

export const awaitSettled = {
  'await of a settled promise': async () => ({
    async run(n) {
      for (let i = 0; i < n; i++) await settled
    },
  }),
}

const job = async (i) => i

export const promiseAll = {
  'Promise.all': async () => ({
    run: (n) => Promise.all(Array.from({ length: n }, (_, i) => job(i))),
  }),
}

export const bareMap = {
  'Map.get': async () => {
    const map = new Map(Array.from({ length: 1024 }, (_, i) => [`key-${i}`, i]))
    const keys = [...map.keys()]
    return {
      run(n) {
        let sum = 0
        for (let i = 0; i < n; i++) sum += map.get(keys[i & 1023])
        return sum
      },
    }
  },
}
