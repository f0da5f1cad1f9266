// Two devices on every machine: memory of the processor that torch is told is not.
//
// Operations run on the processor, on the same memory. What they are given must lie on
// one device, as a card wants it: a tensor of the processor, or of the other device,
// beside it is refused, but for numbers (0 axes) and the rows that `index` takes.
#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/core/impl/alloc_cpu.h>
#include <torch/library.h>

#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace {

using at::Tensor;
using Ints = at::IntArrayRef;
using SymInts = at::SymIntArrayRef;

const auto TYPE = c10::DeviceType::PrivateUse1;
const auto KEY = c10::DispatchKey::PrivateUse1;
thread_local c10::DeviceIndex current = 0;  // of two, where nothing says which
const c10::Device CPU(c10::kCPU);

// Memory, streams and events: what there is no need to wait for.

struct Memory final : at::Allocator {
  at::DataPtr allocate(size_t n_bytes) override {
    void* data = c10::alloc_cpu(n_bytes);
    return {data, data, &c10::free_cpu, c10::Device(TYPE, current)};
  }
  at::DeleterFnPtr raw_deleter() const override { return &c10::free_cpu; }
  void copy_data(void* to, const void* from, std::size_t n) const final {
    default_copy_data(to, from, n);
  }
};
Memory memory;
REGISTER_ALLOCATOR(TYPE, &memory);

struct Guard final : c10::impl::NoOpDeviceGuardImpl<TYPE> {
  static c10::Stream stream(c10::Device d) { return c10::Stream(c10::Stream::DEFAULT, d); }
  c10::DeviceIndex deviceCount() const noexcept override { return 2; }
  c10::Device getDevice() const override { return c10::Device(TYPE, current); }
  void setDevice(c10::Device d) const override { current = d.index(); }
  void uncheckedSetDevice(c10::Device d) const noexcept override { current = d.index(); }
  c10::Device exchangeDevice(c10::Device d) const override {
    const auto before = getDevice();
    current = d.index();
    return before;
  }
  c10::Stream getStream(c10::Device d) const noexcept override { return stream(d); }
  c10::Stream getDefaultStream(c10::Device d) const override { return stream(d); }
  c10::Stream exchangeStream(c10::Stream s) const noexcept override { return stream(s.device()); }
  void record(void**, const c10::Stream&, const c10::DeviceIndex, const c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  void destroyEvent(void*, const c10::DeviceIndex) const noexcept override {}
  bool queryStream(const c10::Stream&) const override { return true; }
  void synchronizeStream(const c10::Stream&) const override {}
  void synchronizeEvent(void*) const override {}
  void synchronizeDevice(const c10::DeviceIndex) const override {}
  void recordDataPtrOnStream(const c10::DataPtr&, const c10::Stream&) const override {}
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard);

struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  const at::Generator& getDefaultGenerator(c10::DeviceIndex) const override {
    return at::globalContext().defaultGenerator(CPU);
  }
  void resizePrivateUse1Bytes(const c10::Storage& storage, size_t n) const override {
    auto* given = storage.unsafeGetStorageImpl();
    auto larger = memory.allocate(n);
    std::memcpy(larger.get(), given->data(), std::min(n, given->nbytes()));
    given->set_data_ptr_noswap(std::move(larger));
    given->set_nbytes(n);
  }
};
Hooks hooks;
const bool are_registered = (at::RegisterPrivateUse1HooksInterface(&hooks), true);

// One memory under two names.

void forget(void* kept) { delete static_cast<Tensor*>(kept); }

// Metal has no float64.
bool has_float64() {
  static const bool has = std::getenv("SKAL_DEEP_TEST_WITHOUT_FLOAT64") == nullptr;
  return has;
}

Tensor named(const Tensor& t, c10::Device device, c10::DispatchKey key) {
  TORCH_CHECK_TYPE(device.is_cpu() || has_float64() || t.scalar_type() != at::kDouble,
      "Cannot convert a tensor to float64: the second device has none.");
  auto* kept = new Tensor(t);
  at::DataPtr data(const_cast<void*>(t.storage().data()), kept, &forget, device);
  auto* owner = device.is_cpu() ? c10::GetAllocator(c10::kCPU) : &memory;
  c10::Storage storage(
      c10::Storage::use_byte_size_t(), t.storage().nbytes(), std::move(data), owner, true);
  auto out = at::detail::make_tensor<c10::TensorImpl>(
      std::move(storage), c10::DispatchKeySet(key), t.dtype());
  auto* made = out.unsafeGetTensorImpl();
  made->set_storage_offset(t.storage_offset());
  made->set_sizes_and_strides(t.sizes(), t.strides());
  if (t.unsafeGetTensorImpl()->is_wrapped_number()) made->set_wrapped_number(true);
  if (t.is_conj()) out._set_conj(true);
  if (t.is_neg()) out._set_neg(true);
  return out;
}

bool is_here(const Tensor& t) { return t.defined() && t.device().type() == TYPE; }
Tensor here(const Tensor& t, c10::Device device) {
  return t.defined() ? named(t, device, KEY) : t;
}
Tensor on_cpu(const Tensor& t) {
  return is_here(t) ? named(t, CPU, c10::DispatchKey::CPU) : t;
}

// Every operation that is not written below.

const std::set<std::string> TAKE_ROWS_OF_THE_PROCESSOR = {
    "index.Tensor", "index.Tensor_out", "_unsafe_index.Tensor",
    "_index_put_impl_", "index_put_", "index_put"};

struct Operands {
  explicit Operands(const std::string& name)
      : name_(name), takes_rows_(TAKE_ROWS_OF_THE_PROCESSOR.count(name) > 0) {}

  Tensor to_cpu(const Tensor& t, size_t at) {
    if (!t.defined()) return t;
    if (!is_here(t)) {
      is_mixed_ |= t.dim() > 0 && !(takes_rows_ && at == 1);
      return t;
    }
    is_mixed_ |= any_here_ && device_ != t.device();
    any_here_ = true;
    device_ = t.device();
    for (const auto& [given, known] : pairs_)
      if (given.is_same(t)) return known;
    pairs_.emplace_back(t, on_cpu(t));
    return pairs_.back().second;
  }

  void make_on(c10::Device device) {
    if (device.type() == TYPE && device.has_index()) device_ = device;
  }

  void check() const {
    TORCH_CHECK(!(any_here_ && is_mixed_),
        "Expected all tensors to be on the same device, but found one elsewhere than "
        "another in ", name_);
  }

  // What was written to another memory, or has another shape now.
  void written() const {
    for (const auto& [given, known] : pairs_) {
      auto* to = given.unsafeGetTensorImpl();
      if (known.storage().data() != given.storage().data())
        to->set_storage_keep_dtype(here(known, given.device()).storage());
      to->set_storage_offset(known.storage_offset());
      to->set_sizes_and_strides(known.sizes(), known.strides());
    }
  }

  Tensor back(const Tensor& t) const {
    for (const auto& [given, known] : pairs_)
      if (known.is_same(t)) return given;
    return t.defined() && t.device().is_cpu() ? here(t, device_) : t;
  }

 private:
  std::string name_;
  bool takes_rows_, any_here_ = false, is_mixed_ = false;
  c10::Device device_ = Guard().getDevice();
  std::vector<std::pair<Tensor, Tensor>> pairs_;
};

template <class Change>
c10::IValue changed(const c10::IValue& value, Change change) {
  if (value.isTensor()) return change(value.toTensor());
  if (value.isTensorList()) {
    c10::List<Tensor> list;
    for (const Tensor& t : value.toTensorVector()) list.push_back(change(t));
    return list;
  }
  if (value.isOptionalTensorList()) {
    c10::List<std::optional<Tensor>> list;
    for (const std::optional<Tensor>& t : value.toOptionalTensorList())
      list.push_back(t ? std::optional<Tensor>(change(*t)) : t);
    return list;
  }
  return value;
}

void run_on_cpu(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const auto name = op.schema().operator_name();
  const auto start = name.name.find("::") + 2;
  const auto overload = name.overload_name.empty() ? "" : "." + name.overload_name;
  Operands operands(name.name.substr(start) + overload);
  const auto n_given = op.schema().arguments().size();
  const auto first = stack->size() - n_given;
  for (size_t at = 0; at < n_given; ++at) {
    auto& value = (*stack)[first + at];
    if (value.isDevice()) {
      operands.make_on(value.toDevice());
      value = CPU;
    } else
      value = changed(value, [&](const Tensor& t) { return operands.to_cpu(t, at); });
  }
  operands.check();
  op.callBoxedForDispatchKey(c10::DispatchKey::CPU, *stack);
  operands.written();
  for (auto at = stack->size() - op.schema().returns().size(); at < stack->size(); ++at)
    (*stack)[at] = changed(
        (*stack)[at], [&](const Tensor& t) { return operands.back(t); });
}

// Operations that make, copy and view memory.

c10::Device which(std::optional<at::Device> device) {
  return device && device->has_index() ? *device : Guard().getDevice();
}

Tensor empty(Ints size, std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
    std::optional<at::Device> device, std::optional<bool>,
    std::optional<at::MemoryFormat> format) {
  const auto options = at::TensorOptions().dtype(dtype).device(CPU);
  return here(at::empty(size, options, format), which(device));
}

Tensor empty_strided(Ints size, Ints stride, std::optional<at::ScalarType> dtype,
    std::optional<at::Layout>, std::optional<at::Device> device, std::optional<bool>) {
  const auto options = at::TensorOptions().dtype(dtype).device(CPU);
  return here(at::empty_strided(size, stride, options), which(device));
}

Tensor copy_from(const Tensor& from, const Tensor& to, bool) {
  on_cpu(to).copy_(on_cpu(from));
  return to;
}

Tensor copy_from_and_resize(const Tensor& from, const Tensor& to) {
  return copy_from(from, to, false);
}

Tensor view(const Tensor& self, Ints size) { return at::native::view(self, size); }

Tensor as_strided(const Tensor& self, Ints size, Ints stride, std::optional<int64_t> offset) {
  return at::native::as_strided_tensorimpl(self, size, stride, offset);
}

Tensor reshape_alias(const Tensor& self, Ints size, Ints stride) {
  return at::native::_reshape_alias(self, size, stride);
}

Tensor unfold(const Tensor& self, int64_t axis, int64_t size, int64_t step) {
  return at::native::unfold(self, axis, size, step);
}

Tensor& set_storage(Tensor& self, at::Storage source, int64_t offset, Ints size, Ints stride) {
  auto* to = self.unsafeGetTensorImpl();
  to->set_storage_keep_dtype(std::move(source));
  to->set_storage_offset(offset);
  std::vector<int64_t> strides(stride.begin(), stride.end());
  if (strides.empty()) {
    strides.resize(size.size());
    int64_t step = 1;
    for (size_t axis = size.size(); axis-- > 0; step *= size[axis]) strides[axis] = step;
  }
  to->set_sizes_and_strides(size, strides);
  return self;
}

Tensor& set_whole_storage(Tensor& self, at::Storage source) {
  const int64_t n = source.nbytes() / self.dtype().itemsize();
  return set_storage(self, std::move(source), 0, {n}, {});
}

// Operations that torch has no form of for devices that it does not know.

void check_are_here(std::initializer_list<Tensor> given, const char* name) {
  for (const Tensor& t : given)
    TORCH_CHECK(!t.defined() || t.device() == given.begin()->device(),
        "Expected all tensors to be on the same device, but not all are in ", name);
}

Tensor convolution(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias,
    SymInts stride, SymInts padding, SymInts dilation, bool is_transposed, SymInts more,
    c10::SymInt groups) {
  const Tensor b = bias.value_or(Tensor());
  check_are_here({x, weight, b}, "convolution");
  at::NoGradGuard plain;
  return here(at::convolution_symint(on_cpu(x), on_cpu(weight),
      b.defined() ? std::optional<Tensor>(on_cpu(b)) : std::nullopt, stride, padding,
      dilation, is_transposed, more, groups), x.device());
}

std::tuple<Tensor, Tensor, Tensor> convolution_backward(const Tensor& gradient,
    const Tensor& x, const Tensor& weight, SymInts stride, SymInts padding,
    SymInts dilation, bool is_transposed, SymInts more, c10::SymInt groups,
    std::array<bool, 3> wanted) {
  check_are_here({gradient, x, weight}, "convolution_backward");
  at::NoGradGuard plain;
  std::vector<c10::SymInt> bias{weight.size(is_transposed ? 1 : 0)};
  auto [dx, dweight, dbias] = at::convolution_backward_symint(on_cpu(gradient), on_cpu(x),
      on_cpu(weight), at::OptionalSymIntArrayRef(bias), stride, padding, dilation,
      is_transposed, more, groups, wanted);
  return {here(dx, x.device()), here(dweight, x.device()), here(dbias, x.device())};
}

Tensor mse_loss(const Tensor& x, const Tensor& y, int64_t reduction) {
  check_are_here({x, y}, "mse_loss");
  at::NoGradGuard plain;
  return here(at::mse_loss(on_cpu(x), on_cpu(y), reduction), x.device());
}

}  // namespace

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) {
  m.fallback(torch::CppFunction::makeFromBoxedFunction<&run_on_cpu>());
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("empty.memory_format", &empty);
  m.impl("empty_strided", &empty_strided);
  m.impl("_copy_from", &copy_from);
  m.impl("_copy_from_and_resize", &copy_from_and_resize);
  m.impl("view", &view);
  m.impl("as_strided", &as_strided);
  m.impl("_reshape_alias", &reshape_alias);
  m.impl("unfold", &unfold);
  m.impl("set_.source_Storage", &set_whole_storage);
  m.impl("set_.source_Storage_storage_offset", &set_storage);
  m.impl("convolution_overrideable", &convolution);
  m.impl("convolution_backward_overrideable", &convolution_backward);
  m.impl("mse_loss", &mse_loss);
}

TORCH_LIBRARY_IMPL(_, AutocastPrivateUse1, m) {
  m.fallback(torch::CppFunction::makeFallthrough());
}

TORCH_LIBRARY_IMPL(aten, AutocastPrivateUse1, m) {
  using at::autocast::CastPolicy;
  KERNEL_PRIVATEUSEONE(linear, lower_precision_fp)
  KERNEL_PRIVATEUSEONE(matmul, lower_precision_fp)
  KERNEL_PRIVATEUSEONE(addmm, lower_precision_fp)
  KERNEL_PRIVATEUSEONE(mm, lower_precision_fp)
  KERNEL_PRIVATEUSEONE(bmm, lower_precision_fp)
  KERNEL_PRIVATEUSEONE(baddbmm, lower_precision_fp)
  KERNEL_PRIVATEUSEONE(conv2d, lower_precision_fp)
  KERNEL_PRIVATEUSEONE(softmax, int, fp32)
  KERNEL_PRIVATEUSEONE(log_softmax, int, fp32)
}
