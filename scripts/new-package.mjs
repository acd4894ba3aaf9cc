// pnpm new:package NAME ["one sentence about it"]: lays out packages/NAME like every other package. Keeps what is there.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'

const [name, sentence = name] = process.argv.slice(2)
if (!/^[a-z]+$/.test(name ?? '')) throw new Error('usage: pnpm new:package NAME ["one sentence"]')

const dist = { import: ['js', 'd.ts'], require: ['cjs', 'd.cts'] }
const entry = (file) =>
  Object.fromEntries(
    Object.entries(dist).map(([condition, [code, types]]) => [
      condition,
      { types: `./dist/${file}.${types}`, default: `./dist/${file}.${code}` },
    ]),
  )
const json = (value) => `${JSON.stringify(value, null, 2)}\n`

const files = {
  'package.json': json({
    name: `@uno-async/${name}`,
    version: '0.0.0',
    description: sentence,
    keywords: ['async', 'cancellation', 'typescript'],
    license: 'MIT',
    repository: {
      type: 'git',
      url: 'git+https://github.com/uno-async/uno-async.git',
      directory: `packages/${name}`,
    },
    type: 'module',
    sideEffects: false,
    main: './dist/index.cjs',
    module: './dist/index.js',
    types: './dist/index.d.ts',
    exports: { '.': entry('index'), './package.json': './package.json' },
    files: ['dist', 'src'],
    engines: { node: '>=20' },
    publishConfig: { access: 'public' },
    scripts: {
      build: 'tsup',
      bundle: 'tsup --format esm --no-dts --no-clean',
      typecheck: 'tsc',
      api: 'node ../../scripts/api.mjs',
      'api:update': 'node ../../scripts/api.mjs --local',
      pkg: 'publint --strict --pack pnpm && attw --pack . --profile node16',
    },
    ...(name === 'core' ? {} : { dependencies: { '@uno-async/core': 'workspace:^' } }),
  }),
  'tsconfig.json': `{
  "extends": "../../tsconfig.base.json",
  "compilerOptions": {
    "types": ["node"],
    "isolatedDeclarations": false,
    "paths": {
      "@uno-async/*": ["../*/src/index.ts"],
      "@uno-async/${name}/*": ["./src/*.ts"]
    }
  },
  "include": ["src", "test"]
}
`,
  'tsconfig.build.json': `{
  "extends": "../../tsconfig.base.json",
  "compilerOptions": { "rootDir": "src" },
  "include": ["src"]
}
`,
  'tsup.config.ts': `import { base } from '../../tsup.base.ts'

export default base()
`,
  'api-extractor.json': '{ "extends": "../../api-extractor.base.json" }\n',
  'size.json': '[{ "import": "*", "limit": "5.0 kB" }]\n',
  'README.md': `# @uno-async/${name}

${sentence}

\`\`\`sh
npm install @uno-async/${name}
\`\`\`

\`\`\`ts
import '@uno-async/${name}'
\`\`\`

## When to use it, and when not

## Exports

| export | what |
| --- | --- |

## Guarantees

## Size

Minified and gzipped, with what it takes from core:

<!-- size -->
<!-- /size -->
`,
  'src/index.ts': `/**
 * ${sentence}
 *
 * @packageDocumentation
 */
export {}
`,
}

const changeset = `---\n'@uno-async/${name}': minor\n---\n\nFirst release. ${sentence}\n`

const dir = `packages/${name}`
for (const folder of ['src', 'test']) mkdirSync(`${dir}/${folder}`, { recursive: true })
const write = (path, text) => existsSync(path) || writeFileSync(path, text)
for (const [path, text] of Object.entries(files)) write(`${dir}/${path}`, text)
write(`.changeset/${name}.md`, changeset)
console.log(`${dir} is laid out. Next: pnpm install, src/, README.md, size.json, pnpm api:update`)
