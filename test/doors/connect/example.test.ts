/** `examples/connect` and what docs/doors/connect.md shows of it. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { outputOf } from '../output-of.ts'

const root = new URL('../../../', import.meta.url).pathname
const FLAGS = ['--conditions=onehop:source', '--import', `${root}test/doors/connect/packages/resolve.ts`]

test('the example runs, and ends by itself', async () => {
  const flags = [...FLAGS, `${root}examples/connect/client.js`]
  expect(await outputOf(flags)).toMatch(/^42 from 127\.0\.3\.[12]\n(?:43-\d from 127\.0\.3\.[12]\n){3}$/)
})

test('the page shows the example as it is', () => {
  const page = readFileSync(`${root}docs/doors/connect.md`, 'utf8')
  const shown = [...page.matchAll(/<!-- (examples\/\S+) -->\n```js\n([^]*?)```/g)]
  expect(shown.map(([, file]) => file)).toEqual(['examples/connect/client.js'])
  for (const [, file = '', code] of shown) {
    const source = readFileSync(root + file, 'utf8')
    const region = /\/\/ #region readme\n([^]*?)\/\/ #endregion/.exec(source)?.[1] ?? source
    expect(code).toBe(region.replace('  ...local.options,\n', ''))
  }
})
