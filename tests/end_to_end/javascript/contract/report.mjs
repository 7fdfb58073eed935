// How does a driver tell the test what it saw? One JSON file of named checks, each "ok" or what is wrong.
import { writeFileSync } from 'node:fs'

export class Report {
  checks = {}
  facts = {}

  /** Run one check; what it throws is the finding. */
  async check (name, run) {
    try {
      await run()
      this.checks[name] = 'ok'
    } catch (error) {
      const status = error?.status ? `HTTP ${error.status} ` : ''
      this.checks[name] = `${status}${error?.stack ?? JSON.stringify(error)}`.slice(0, 1500)
    }
  }

  write (path) {
    writeFileSync(path, JSON.stringify({ checks: this.checks, facts: this.facts }))
  }
}

export function expect (condition, words) {
  if (!condition) throw new Error(`expected ${words}`)
}
