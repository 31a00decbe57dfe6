/** docs/options.md names every option that createClient accepts: the keys come from its own error messages. */
import { readFileSync } from 'node:fs'
import { createClient, InvalidOptionsError, type ClientOptions } from 'onehop'
import { expect, test } from 'vitest'

const document = readFileSync(new URL('../../../docs/options.md', import.meta.url), 'utf8')

const SECTIONS: readonly (readonly [string, (options: object) => object])[] = [
  ['the client', (options) => options],
  ['retry', (retry) => ({ retry })],
  ['retry.budget', (budget) => ({ retry: { budget } })],
  ['hedge', (hedge) => ({ hedge })],
  ['hedge.budget', (budget) => ({ hedge: { budget } })],
  ['outlier', (outlier) => ({ outlier })],
  ['timeouts', (timeouts) => ({ timeouts })],
  ['zone', (zone) => ({ zone })],
  ['maxPending', (maxPending) => ({ maxPending })],
  ['subset', (subset) => ({ subset })],
  ['dns', (dns) => ({ dns })],
  ['cloudMap', (cloudMap) => ({ cloudMap })],
]

test.each(SECTIONS)('docs/options.md names every option of %s', (_name, wrap) => {
  const known = keysOf(wrap({ noSuchOption: 1 }))
  expect(known.length).toBeGreaterThan(1)
  expect(known.filter((key) => !isDocumented(key))).toEqual([])
})

/** As `key`, `key(...)`, `key.part` or `part.key`. */
function isDocumented(key: string): boolean {
  return new RegExp(`[\`.]${key}[\`(.]`).test(document)
}

function keysOf(options: ClientOptions): readonly string[] {
  try {
    createClient(options)
  } catch (error) {
    if (error instanceof InvalidOptionsError)
      return /known: ([\w, ]+)/.exec(error.message)?.[1]?.split(', ') ?? []
    throw error
  }
  throw new Error('createClient accepted an option that does not exist')
}
