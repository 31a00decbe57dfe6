/** The entries of the package, as `exports` of package.json has them: what is built, documented, measured and packed. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** One entry that users import. Paths are relative to the root of the package. */
export interface Entry {
  /** As users import it: `onehop/ecs`. */
  readonly name: string
  /** `src/ecs/index.ts`. */
  readonly source: string
  /** What the entry's files in `dist` have in common: `ecs/index`. */
  readonly stem: string
}

type Conditions = Readonly<Record<string, unknown>>

const root = join(import.meta.dirname, '..')

/** @throws Error if an entry of `exports` has another shape than the others: {@link conditionsOf} has it */
export function entriesOf(folder: string = root): readonly Entry[] {
  const { name, exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    name: string
    exports: Readonly<Record<string, Conditions | string>>
  }
  return Object.entries(exports)
    .filter((entry): entry is [string, Conditions] => typeof entry[1] !== 'string')
    .map(([path, conditions]) => {
      const source = String(conditions['onehop:source'])
      const stem = /^\.\/src\/(.+)\.ts$/.exec(source)?.[1] ?? ''
      const expected = conditionsOf(stem)
      if (JSON.stringify(conditions) !== JSON.stringify(expected))
        throw new Error(
          `exports[${JSON.stringify(path)}] in package.json must be ${JSON.stringify(expected, undefined, 2)}`,
        )
      return { name: `${name}${path.slice(1)}`, source: source.slice(2), stem }
    })
}

/**
 * What `exports` has for an entry. CommonJS gets types of its own kind: to compilers, `.d.ts` in this package describes an
 * ES module, which TypeScript below 5.8, and `node16` of any version, do not let CommonJS require.
 */
function conditionsOf(stem: string): Conditions {
  return {
    'onehop:source': `./src/${stem}.ts`,
    require: { types: `./dist/${stem}.d.cts`, default: `./dist/${stem}.cjs` },
    types: `./dist/${stem}.d.ts`,
    default: `./dist/${stem}.js`,
  }
}
