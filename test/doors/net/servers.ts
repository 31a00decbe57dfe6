/**
 * The servers of the recipes: several of one kind on one port, each on an address of its own, as the tasks of a service are.
 * Debian's packages have them; without them the tests fail, and say which package is missing.
 */
import { execFileSync } from 'node:child_process'
import { chownSync, globSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../../support/ports.ts'
import { findProgram } from '../../support/processes/daemon.ts'
import { isRoot, run, ServerProcess, temporaryFolder, type Command } from './server-process.ts'

/** Servers of one kind, as long as a test needs them. */
export interface Servers extends AsyncDisposable {
  readonly port: number
  readonly list: readonly ServerProcess[]
}

export type StartServers = (count: number) => Promise<Servers>

export async function startRedis(count: number): Promise<Servers> {
  const path = findProgram({ name: 'redis-server', debianPackage: 'redis-server' })
  return start(count, async (address, port, folder) => {
    const options = { bind: address, port, dir: folder, save: '', appendonly: 'no', 'protected-mode': 'no' }
    return { path, args: Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]) }
  })
}

export async function startPostgres(count: number): Promise<Servers> {
  // Debian has it beside the path of users.
  const [folder] = globSync('/usr/lib/postgresql/*/bin').toSorted().slice(-1)
  const path =
    folder === undefined
      ? findProgram({ name: 'postgres', debianPackage: 'postgresql' })
      : join(folder, 'postgres')
  const user = 'postgres'
  let template: string | undefined
  return start(count, async (address, port, data) => {
    own(data, user)
    const cluster = join(data, 'cluster')
    if (template === undefined) {
      const args = ['-D', cluster, '-A', 'trust', '-U', 'postgres', '--no-sync', '--no-instructions']
      await run({ path: path.replace(/postgres$/, 'initdb'), args, user })
      template = cluster
    } else await copy(template, cluster, user)
    const settings = ['shared_buffers=8MB', 'fsync=off', 'autovacuum=off', 'dynamic_shared_memory_type=mmap']
    return {
      path,
      args: [
        '-D',
        cluster,
        '-h',
        address,
        '-p',
        String(port),
        '-k',
        data,
        ...settings.flatMap((one) => ['-c', one]),
      ],
      user,
    }
  })
}

export async function startMariaDb(count: number): Promise<Servers> {
  const path = findProgram({ name: 'mariadbd', debianPackage: 'mariadb-server' })
  const install = findProgram({ name: 'mariadb-install-db', debianPackage: 'mariadb-server' })
  const user = 'mysql'
  const small = ['--innodb-log-file-size=4M', '--innodb-buffer-pool-size=8M']
  let template: string | undefined
  return start(count, async (address, port, folder) => {
    own(folder, user)
    const data = join(folder, 'data')
    if (template === undefined) {
      await run({
        path: install,
        args: ['--no-defaults', `--datadir=${data}`, '--skip-test-db', ...small],
        user,
      })
      template = data
    } else await copy(template, data, user)
    const args = [
      '--no-defaults',
      `--datadir=${data}`,
      `--bind-address=${address}`,
      `--port=${port}`,
      ...small,
    ]
    return {
      path,
      // Whoever connects may do everything.
      args: [
        ...args,
        `--socket=${folder}/socket`,
        `--pid-file=${folder}/pid`,
        '--skip-grant-tables',
        '--skip-log-bin',
      ],
      user,
    }
  })
}

/** Node programs beside this file, which get their address and port as arguments. */
export function startProgram(name: string): StartServers {
  return (count) =>
    start(count, async (address, port) => ({
      path: process.execPath,
      args: [new URL(name, import.meta.url).pathname, address, String(port)],
    }))
}

async function start(
  count: number,
  command: (address: string, port: number, folder: string) => Promise<Command>,
): Promise<Servers> {
  const addresses = Array.from({ length: count }, (_, index) => `127.0.2.${index + 1}`)
  const port = await freePort()
  const folders: AsyncDisposable[] = []
  const list: ServerProcess[] = []
  const dispose = async (): Promise<void> => {
    await Promise.all(list.map((server) => server[Symbol.asyncDispose]()))
    await Promise.all(folders.map((folder) => folder[Symbol.asyncDispose]()))
  }
  try {
    const commands: Command[] = []
    for (const address of addresses) {
      const folder = await temporaryFolder()
      folders.push(folder)
      commands.push(await command(address, port, folder.path))
    }
    const starts = addresses.map(async (address, index) => {
      list.push(await ServerProcess.start(address, port, commands[index] as Command))
    })
    // All of them, also where one fails: what has started has to end.
    const failed = (await Promise.allSettled(starts)).find(({ status }) => status === 'rejected') as
      | PromiseRejectedResult
      | undefined
    if (failed !== undefined) throw failed.reason
    list.sort((one, other) => addresses.indexOf(one.address) - addresses.indexOf(other.address))
    return { port, list, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}

/** Servers that refuse root run as the user of their package. */
function own(folder: string, user: string): void {
  if (!isRoot) return
  const idOf = (flag: string): number => Number(execFileSync('id', [flag, user], { encoding: 'utf8' }))
  chownSync(folder, idOf('-u'), idOf('-g'))
}

async function copy(from: string, to: string, user: string): Promise<void> {
  await run({ path: findProgram({ name: 'cp', debianPackage: 'coreutils' }), args: ['-a', from, to], user })
}
