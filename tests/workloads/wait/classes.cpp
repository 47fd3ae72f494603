/* SPDX-License-Identifier: Apache-2.0 */
/*
 * classes SECONDS: std::mutex, std::shared_mutex and std::condition_variable. One thread holds for
 * ten milliseconds at a time what two others want. Each that waits measures its own waits.
 */
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <shared_mutex>
#include <thread>

#include "burn.h"

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

static Clock::time_point end_time;

static bool time_is_up()
{
	return Clock::now() >= end_time;
}

namespace office
{
struct Sum {
	std::atomic<long long> ns{ 0 }, count{ 0 };
};

/* Runs @wait and adds the wall-clock time that it took. */
template <typename F> static void measured(Sum &sum, F wait)
{
	auto begin = Clock::now();

	wait();
	sum.ns += (Clock::now() - begin) / 1ns;
	sum.count++;
	NOT_A_TAIL_CALL;
}

class Desk
{
      public:
	NAMED void holds_mutex()
	{
		std::lock_guard<std::mutex> guard(mutex_);
		std::this_thread::sleep_for(10ms);
	}
	NAMED void wants_mutex()
	{
		measured(mutex_sum, [this] { mutex_.lock(); });
		mutex_.unlock();
	}
	NAMED void holds_shared_mutex()
	{
		std::unique_lock<std::shared_mutex> guard(shared_);
		std::this_thread::sleep_for(10ms);
	}
	NAMED void wants_shared_mutex()
	{
		measured(shared_sum, [this] { shared_.lock_shared(); });
		shared_.unlock_shared();
	}
	NAMED void puts()
	{
		std::this_thread::sleep_for(5ms);
		{
			std::lock_guard<std::mutex> guard(queue_mutex_);
			queued_++;
		}
		filled_.notify_one();
		NOT_A_TAIL_CALL;
	}
	NAMED void takes()
	{
		std::unique_lock<std::mutex> guard(queue_mutex_);

		measured(condition_sum,
			 [&] { filled_.wait(guard, [this] { return queued_ > 0; }); });
		queued_--;
	}
	Sum mutex_sum, shared_sum, condition_sum;

      private:
	std::mutex mutex_, queue_mutex_;
	std::shared_mutex shared_;
	std::condition_variable filled_;
	int queued_ = 0;
};
} // namespace office

static void print(const char *name, const office::Sum &sum)
{
	printf("%s_wall_ns=%lld\n%s_count=%lld\n", name, sum.ns.load(), name, sum.count.load());
}

static void hold(office::Desk &desk)
{
	while (!time_is_up()) {
		desk.holds_mutex();
		desk.holds_shared_mutex();
	}
}

static void want(office::Desk &desk)
{
	while (!time_is_up()) {
		desk.wants_mutex();
		std::this_thread::sleep_for(1ms);
		desk.wants_shared_mutex();
		std::this_thread::sleep_for(1ms);
	}
}

static std::atomic<bool> done;

static void take(office::Desk &desk)
{
	while (!done)
		desk.takes();
}

static void put(office::Desk &desk)
{
	while (!time_is_up())
		desk.puts();
	done = true;
	desk.puts();
}

int main(int argc, char **argv)
{
	office::Desk desk;

	end_time = Clock::now() +
		   std::chrono::milliseconds((long)(1000 * seconds_argument(argc, argv, 1, 3)));
	std::thread threads[] = {
		std::thread(hold, std::ref(desk)), std::thread(want, std::ref(desk)),
		std::thread(want, std::ref(desk)), std::thread(take, std::ref(desk)),
		std::thread(put, std::ref(desk)),
	};
	for (std::thread &t : threads)
		t.join();
	print("mutex", desk.mutex_sum);
	print("rwlock", desk.shared_sum);
	print("condition", desk.condition_sum);
	print_usage();
	return 0;
}
