import type { Delivery } from '../delivery.ts';

/** The deliveries whose handlers run, in no order. Each knows its index, so that adding and removing are cheap. */
export class Running {
  readonly all: Delivery[] = [];

  get size(): number {
    return this.all.length;
  }

  add(delivery: Delivery): void {
    delivery.runningIndex = this.all.length;
    this.all.push(delivery);
  }

  remove(delivery: Delivery): void {
    const last = this.all.pop()!;
    if (last === delivery) return;
    this.all[delivery.runningIndex] = last;
    last.runningIndex = delivery.runningIndex;
  }
}
