/**
 * Builds `src` into an empty `dist`: a file that is gone from the sources must not be published. One file for each entry,
 * and what several entries need in files that they share: reading many files is what an import costs. Types come
 * from the compiler, one file for each source. What is an entry, package.json says.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, rmSync } from 'node:fs'
import { resolve } from 'node:path'
import { rolldown, type RolldownPlugin } from 'rolldown'
import { writeCommonJs } from './commonjs.ts'
import { entriesOf } from './entries.ts'

/** Built together. Every other entry is a door: built by itself, over these. */
const TOGETHER = new Set(['onehop', 'onehop/ecs', 'onehop/ecs/reaper', 'onehop/otel', 'onehop/testing'])

/** Evaluated before undici: src/core/before-undici.ts says why. */
const FIRST = 'core/before-undici'
const LOAD_UNDICI = new Set(['index', 'ecs/index', 'testing/index'])

const SHARED =
  /\/src\/(?:core\/(?!before-undici)|ecs\/metadata\/errors|discovery\/(?:dns\/server-failure|endpoint|service-name|cloud-map\/(?:options|error|sdk-client))\.)/

/** What `onehop/ecs` and `onehop/ecs/reaper` need: no undici. */
const REGISTRATION = /\/src\/ecs\/(?:environment|retries|registration\/(?:cloud-map|options|errors))/

const entries = entriesOf()
const inputs = (together: boolean): Record<string, string> =>
  Object.fromEntries(
    entries.filter(({ name }) => TOGETHER.has(name) === together).map(({ stem, source }) => [stem, source]),
  )

rmSync('dist', { recursive: true, force: true })
execFileSync('tsc', ['-p', 'tsconfig.build.json'], { stdio: 'inherit' })

/**
 * The package's own entries, as the command line and the doors import them: so that what they share with users' code is
 * the same module, and does not split the files of the entries.
 */
const FACES: readonly (readonly [string, string])[] = entries.map(({ stem, source }) => [
  resolve(source),
  `../${stem}.js`,
])

/** The errors that the checks of `core/` throw in a door are those of the client: users compare by `instanceof`. */
const ERRORS = [resolve('src/core/errors.ts'), '../index.js'] as const

const external = (name: string, files: readonly (readonly [string, string])[]): RolldownPlugin => {
  const byFile = new Map(files)
  return {
    name,
    resolveId(source, importer) {
      const file = importer === undefined ? undefined : byFile.get(resolve(importer, '..', source))
      return file === undefined ? null : { id: file, external: true }
    },
  }
}

/** `onehop/testing` imports the client, too; the rest of it shares files with the other entries. */
const faceOfTesting: RolldownPlugin = {
  name: 'face of testing',
  resolveId(source, importer) {
    const isOfTesting = importer?.startsWith(resolve('src/testing')) === true
    const isFace = isOfTesting && resolve(importer, '..', source) === resolve('src/index.ts')
    return isFace ? { id: '../index.js', external: true } : null
  },
}

const bundle = await rolldown({
  input: {
    ...inputs(true),
    // Runs in a process of its own; the file beside it in dist names it.
    'testing/task-process': 'src/testing/fleet/task-process.ts',
    [FIRST]: `src/${FIRST}.ts`,
  },
  platform: 'node',
  // Dependencies and Node's own modules.
  external: /^[^./]/,
  plugins: [faceOfTesting],
})
await bundle.write({
  dir: 'dist',
  sourcemap: true,
  // The file of the fleet's processes is found beside that one.
  chunkFileNames: ({ name }) => (name === 'fleet-process' ? 'testing/[name].js' : '[name].js'),
  // What most entries need and what does not need undici, in one file and not in several small ones.
  codeSplitting: {
    groups: [
      { name: 'core', test: SHARED },
      { name: 'registration', test: REGISTRATION },
    ],
  },
  // The sources in the maps have them; those that bundlers read stay.
  comments: { legal: true, annotation: true, jsdoc: false },
  // A bundler may order the imports of a file as it likes; what is before all of them comes first.
  banner: ({ name }) =>
    LOAD_UNDICI.has(name) ? `import '${name === 'index' ? './' : '../'}${FIRST}.js'` : '',
})
await bundle.close()

/** The doors. */
const doors = await rolldown({
  input: {
    ...inputs(false),
    // Loaded by the file beside it in dist, which names it.
    'auto/start': 'src/auto/start.ts',
  },
  platform: 'node',
  external: /^[^./]/,
  plugins: [external('faces and errors', [...FACES, ERRORS])],
})
await doors.write({
  dir: 'dist',
  sourcemap: true,
  // As deep as the entries: they import the package's own by `../`.
  chunkFileNames: 'doors/[name].js',
  codeSplitting: {
    groups: [
      // What `onehop/auto` needs before it loads the client.
      {
        name: 'settings',
        test: /\/src\/(?:core\/check\/(?:closest|given)|auto\/wrong-setting)\./,
        priority: 1,
      },
      { name: 'core', test: /\/src\/core\// },
    ],
  },
  comments: { legal: true, annotation: true, jsdoc: false },
})
await doors.close()

/** The command line, with a file for each command. */
const commandLine = await rolldown({
  input: { main: 'src/cli/main.ts' },
  platform: 'node',
  external: /^[^./]/,
  plugins: [external('faces', FACES)],
})
await commandLine.write({
  dir: 'dist/cli',
  sourcemap: true,
  chunkFileNames: '[name].js',
  // What the help needs, in one file: a start reads two.
  codeSplitting: {
    groups: [
      {
        name: 'options',
        test: /\/src\/(?:cli\/(?:command|options|terminal)|core\/check\/(?:closest|given))/,
      },
    ],
  },
  comments: { legal: true, annotation: true, jsdoc: false },
})
await commandLine.close()
chmodSync('dist/cli/main.js', 0o755)

writeCommonJs('dist', entries)
