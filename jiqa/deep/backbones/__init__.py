"""Published image classifiers as pure functions that give the features of any layer.

    from jiqa.deep.backbones.vgg import vgg16
    vgg16(parameters, vgg16.normalize(images), ["relu3_3"])["relu3_3"]

`BACKBONES` has all of them by name; `jiqa.weights.load(name)` gives pretrained parameters.
"""

from jiqa.deep.backbones import alexnet, efficientnet, resnet, squeezenet, vgg

BACKBONES = {
    network.name: network
    for network in (
        alexnet.alexnet,
        alexnet.alexnet_caffe,
        alexnet.caffenet,
        efficientnet.efficientnet_lite0,
        resnet.resnet18,
        resnet.resnet50,
        squeezenet.squeezenet1_0,
        squeezenet.squeezenet1_1,
        vgg.vgg11,
        vgg.vgg13,
        vgg.vgg16,
        vgg.vgg19,
    )
}
