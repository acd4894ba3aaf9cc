// Writes (--local) or checks the API report of each entry of the package it is run in: etc/<package>[-<entry>].api.md
import { mkdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor'
import { readPackage } from './workspace.mjs'

const config = resolve('api-extractor.json')
const { name, entries } = readPackage('.')
mkdirSync('etc', { recursive: true })

for (const entry of entries) {
  const main = entry.name === 'index'
  if (!main && !/export \{\s*\w/.test(readFileSync(entry.types, 'utf8'))) continue // only side effects
  const report = main ? name : `${name}-${entry.name}`
  const configObject = ExtractorConfig.loadFile(config)
  configObject.mainEntryPointFilePath = resolve(entry.types)
  configObject.apiReport.reportFileName = report
  configObject.docModel.apiJsonFilePath = resolve(`temp/${report}.api.json`)
  const { succeeded } = Extractor.invoke(
    ExtractorConfig.prepare({
      configObject,
      configObjectFullPath: config,
      packageJsonFullPath: resolve('package.json'),
    }),
    { localBuild: process.argv.includes('--local') },
  )
  if (!succeeded) process.exitCode = 1
}
