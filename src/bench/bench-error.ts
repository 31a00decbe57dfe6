import { OnehopError } from '../index.ts'

/** The benchmark cannot begin. */
export class BenchError extends OnehopError {
  readonly code = 'ONEHOP_BENCH_FAILED'

  constructor(message: string) {
    super('ONEHOP_BENCH_FAILED', message)
  }
}
