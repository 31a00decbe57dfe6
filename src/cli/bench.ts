import { define, type Command } from './command.ts'

const bench: Command = define({
  operands: { name: 'HOST', min: 1, max: 1 },
  description: 'Not written yet.',
  options: {},
  examples: [],
  run: async () => 1,
})

export default bench
