// SPDX-License-Identifier: Apache-2.0
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLong;

/**
 * java Monitor.java SECONDS [THREADS]: a synchronized hot spot. What a thread neither used nor was
 * without a CPU for, it waited: for the monitor, or for the virtual machine to stop the world.
 */
public class Monitor {
    private static final AtomicLong waited = new AtomicLong();
    private static long sum;

    static synchronized void hotSpot() {
        for (int i = 0; i < 200000; i++)
            sum = sum * 1664525 + 1013904223;
    }

    /** CPU time and time in the queue for a CPU of this thread together, ns. */
    private static long scheduled() throws Exception {
        String[] words = Files.readString(Path.of("/proc/thread-self/schedstat")).trim().split(" ");
        return Long.parseLong(words[0]) + Long.parseLong(words[1]);
    }

    private static void work(long end) {
        try {
            long before = scheduled(), begin = System.nanoTime();
            while (System.nanoTime() < end)
                hotSpot();
            waited.addAndGet(System.nanoTime() - begin - (scheduled() - before));
        } catch (Exception e) {
            throw new RuntimeException(e);
        }
    }

    public static void main(String[] args) throws Exception {
        long end = System.nanoTime() + (long) (1e9 * (args.length > 0 ? Double.parseDouble(args[0]) : 3));
        Thread[] threads = new Thread[args.length > 1 ? Integer.parseInt(args[1]) : 4];
        for (int i = 0; i < threads.length; i++)
            (threads[i] = new Thread(() -> work(end))).start();
        for (Thread t : threads)
            t.join();
        System.out.println("monitor_wait_ns=" + waited.get());
    }
}
