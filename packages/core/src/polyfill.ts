// Defines Symbol.dispose and Symbol.asyncDispose where they are missing, as what compilers fall back to
// for a lowered `using`. Import it before anything that declares a class with them.
for (const name of ['dispose', 'asyncDispose']) {
  if (!(name in Symbol))
    Object.defineProperty(Symbol, name, { value: Symbol.for(`Symbol.${name}`) })
}
