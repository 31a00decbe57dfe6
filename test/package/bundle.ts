/** Four bundlers, each as its users set it up for a program of Node: into one file, but rollup's ESM. */
import { basename, dirname } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build, transform } from 'esbuild'
import { rolldown } from 'rolldown'
import { tool } from './consumer.ts'

export interface Bundling {
  /** The program; its packages stand in `node_modules` beside it. */
  readonly input: string
  readonly output: string
  readonly format: 'esm' | 'cjs'
  readonly minify: boolean
}

/** In front of ESM, so that CommonJS packages in it can require Node's modules: docs/runtimes.md. */
export const REQUIRE =
  "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url)"

/** Resolves with the warnings that the bundler gave. */
type Bundler = (bundling: Bundling) => Promise<readonly string[]>

/** Of a private package, of which the compiler knows no types. */
async function load<Exports>(path: string): Promise<Exports> {
  return (await import(pathToFileURL(tool(path)).href)) as Exports
}

const esbuild: Bundler = async ({ input, output, format, minify }) => {
  const banner = format === 'esm' ? REQUIRE : ''
  const { warnings } = await build({
    ...{ bundle: true, platform: 'node', logLevel: 'silent', format, minify },
    ...{ entryPoints: [input], outfile: output, banner: { js: banner } },
  })
  return warnings.map(({ text }) => text)
}

interface Bundle {
  write(options: object): Promise<unknown>
  close(): Promise<void>
}

type Plugin = (options?: object) => object

const rollup: Bundler = async ({ input, output, format, minify }) => {
  const warnings: string[] = []
  const bundler = await load<{ rollup(options: object): Promise<Bundle> }>('rollup/dist/es/rollup.js')
  const [resolve, commonjs, json] = await Promise.all(
    [
      '@rollup/plugin-node-resolve/dist/es/index.js',
      '@rollup/plugin-commonjs/dist/es/index.js',
      '@rollup/plugin-json/dist/es/index.js',
    ].map(async (path) => (await load<{ default: Plugin }>(path)).default),
  )
  const minified = {
    name: 'minified',
    renderChunk: async (code: string) => ({ ...(await transform(code, { minify, format })), map: null }),
  }
  const bundle = await bundler.rollup({
    input,
    external: /^node:/,
    plugins: [
      resolve?.({ preferBuiltins: true, exportConditions: ['node'] }),
      commonjs?.(),
      json?.(),
      ...(minify ? [minified] : []),
    ],
    onwarn: ({ code, message }: { code: string; message: string }) => {
      // Of packages of others, which have them.
      if (code !== 'CIRCULAR_DEPENDENCY' && code !== 'THIS_IS_UNDEFINED') warnings.push(message)
    },
  })
  const oneFile = { file: output, inlineDynamicImports: true }
  const chunks = {
    dir: dirname(output),
    entryFileNames: basename(output),
    chunkFileNames: 'rollup-[hash].mjs',
  }
  await bundle.write({ format, ...(format === 'cjs' ? oneFile : chunks) })
  await bundle.close()
  return warnings
}

const rolldownBundler: Bundler = async ({ input, output, format, minify }) => {
  const warnings: string[] = []
  const onLog = (level: string, { message }: { message: string }): void => {
    if (level === 'warn') warnings.push(message)
  }
  const bundle = await rolldown({ input, platform: 'node', onLog })
  await bundle.write({ file: output, format, minify, codeSplitting: false })
  await bundle.close()
  return warnings
}

interface Stats {
  toJson(options: object): {
    readonly errors: readonly { message: string }[]
    readonly warnings: readonly { message: string }[]
  }
}

type Webpack = (options: object, done: (error: Error | null, stats: Stats) => void) => void

const webpack: Bundler = async ({ input, output, format, minify }) => {
  const { default: run } = await load<{ default: Webpack }>('webpack/lib/index.js')
  const isModule = format === 'esm'
  const stats = await new Promise<Stats>((resolve, reject) => {
    run(
      {
        ...{ target: 'node22', mode: 'production', entry: input, context: dirname(input) },
        optimization: { minimize: minify },
        // One file also where a module is imported later.
        module: { parser: { javascript: { dynamicImportMode: 'eager' } } },
        output: {
          ...{ path: dirname(output), filename: basename(output), module: isModule },
          ...(isModule ? { chunkFormat: 'module' } : { library: { type: 'commonjs2' } }),
        },
        experiments: { outputModule: isModule },
        performance: false,
      },
      (error, result) => (error === null ? resolve(result) : reject(error)),
    )
  })
  const { errors, warnings } = stats.toJson({ all: false, errors: true, warnings: true })
  return [...errors, ...warnings].map(({ message }) => message)
}

export const BUNDLERS: Readonly<Record<'esbuild' | 'rollup' | 'rolldown' | 'webpack', Bundler>> = {
  esbuild,
  rollup,
  rolldown: rolldownBundler,
  webpack,
}
