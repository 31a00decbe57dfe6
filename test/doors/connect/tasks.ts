/** Tasks of the service Orders as processes, on 127.0.1.1, 127.0.1.2, ... with one port. */
import { fork } from 'node:child_process'
import { inheritedEnv } from '../../support/processes/children.ts'
import { firstMessage, ForkedTask } from '../../support/processes/forked-task.ts'
import { cert, key } from '../../support/transports/tls.ts'
import type { TaskFault, TaskStats, TaskWorld } from './task.ts'

export class Task extends ForkedTask {
  static async start(world: TaskWorld, address: string, port = 0): Promise<Task> {
    const args = [world, address, String(port), key, cert]
    const child = fork(new URL('./task.ts', import.meta.url), args, { execArgv: [], env: inheritedEnv() })
    return new Task(child, address, (await firstMessage(child)) as number)
  }

  async set(fault: TaskFault): Promise<void> {
    await this.ask(fault)
  }

  async stats(): Promise<TaskStats> {
    return (await this.ask('stats')) as TaskStats
  }

  stop(): void {
    this.signal('SIGSTOP')
  }
}

export async function startTasks(world: TaskWorld, count: number): Promise<Task[]> {
  const first = await Task.start(world, '127.0.1.1')
  const others = Array.from({ length: count - 1 }, (_, index) =>
    Task.start(world, `127.0.1.${index + 2}`, first.port),
  )
  return [first, ...(await Promise.all(others))]
}
