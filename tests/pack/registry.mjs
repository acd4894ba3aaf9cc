import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { json } from 'node:stream/consumers'

/**
 * A registry in memory, as much of one as `npm publish` and `npm install` ask for.
 * @returns {Promise<{ url: string, packages: Map<string, any>, close(): void }>}
 */
export const startRegistry = async () => {
  /** name → what a registry tells of a package @type {Map<string, any>} */
  const packages = new Map()
  /** path → contents @type {Map<string, Buffer>} */
  const tarballs = new Map()

  const server = createServer(async (request, response) => {
    const { method, url = '' } = request
    const path = decodeURIComponent(new URL(url, 'http://localhost').pathname)
    const answer = (/** @type {number} */ status, /** @type {unknown} */ body) =>
      response
        .writeHead(status, { 'content-type': 'application/json' })
        .end(Buffer.isBuffer(body) ? body : JSON.stringify(body))
    const tarball = tarballs.get(path)
    if (tarball) return answer(200, tarball)
    const known = packages.get(path.slice(1))
    if (method !== 'PUT') return known ? answer(200, known) : answer(404, { error: 'not found' })

    const sent = /** @type {any} */ (await json(request))
    const [version, manifest] = /** @type {[string, any]} */ (Object.entries(sent.versions)[0])
    if (known?.versions[version]) return answer(403, { error: `${version} is published already` })
    const [file, { data }] = /** @type {[string, any]} */ (Object.entries(sent._attachments)[0])
    const contents = Buffer.from(data, 'base64')
    tarballs.set(`/-/${file}`, contents)
    manifest.dist = {
      tarball: `${origin()}/-/${file}`,
      integrity: `sha512-${createHash('sha512').update(contents).digest('base64')}`,
    }
    packages.set(sent.name, {
      name: sent.name,
      'dist-tags': { ...known?.['dist-tags'], ...sent['dist-tags'] },
      versions: { ...known?.versions, [version]: manifest },
    })
    answer(201, { ok: true })
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)))
  const origin = () =>
    `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (server.address()).port}`
  return { url: origin(), packages, close: () => void server.close() }
}
